// What blocks do to accept drafts, on the host, thread by thread in any order.
#include "planecast/cuda/detail/judge_program.hpp"
#include "planecast/cuda/detail/race_program.hpp"
#include "planecast/cuda/detail/softmax_program.hpp"

#include "cuda/accept_case.hpp"
#include "cuda/host_block.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <string>

namespace cuda_accept_programs_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;
  accepts_seen& found;

  std::string accept(pc::detail::acceptance how, const pc::draft_batch& batch, const pc::accepted_batch& out,
                     void* workspace, std::size_t) {
    const pc::detail::accept_workspace room(workspace, batch.batch_size, batch.max_draft_tokens);
    const auto threads = [&] { return 1 + random.below(random.coin() ? 8 : 200); };
    const bool whole = pc::detail::whole_fours(batch) && random.coin();
    found.whole += whole ? 1 : 0;
    if (how == pc::detail::acceptance::rejection && batch.kind == pc::target_kind::logits) {
      std::fill_n(room.softmax, batch.batch_size * room.most_rows, pc::detail::row_softmax{});
      const auto blocks = [&](auto program) {
        program.fours.parts = 1 + random.below(7);
        return run_on_host(program, batch.batch_size * program.fours.parts, threads(),
                           program.memory_bytes(batch.max_draft_tokens), random);
      };
      const pc::detail::row_fours fours{batch.vocab_size, 1, whole};
      if (!blocks(pc::detail::softmax_program<false>{batch, room, fours}) ||
          !blocks(pc::detail::softmax_program<true>{batch, room, fours}))
        return "a block of softmax writes beyond its memory";
    }
    if (!run_on_host(pc::detail::judge_program{batch, how, room}, batch.batch_size, threads(),
                     pc::detail::judge_program::memory_bytes, random))
      return "a judging block writes beyond its memory";
    const std::uint32_t rows = pc::detail::most_rows(batch, how), parts = 1 + random.below(7);
    found.split += parts > 1 ? 1 : 0;
    const auto race = [&]<pc::detail::acceptance How, pc::target_kind Kind>() {
      return run_on_host(
          pc::detail::race_program<How, Kind>{batch, room, out, {batch.vocab_size, parts, whole}, rows},
          batch.batch_size * parts, threads(), pc::detail::race_memory_bytes(rows), random);
    };
    using pc::target_kind;
    using pc::detail::acceptance;
    const bool logits = batch.kind == target_kind::logits;
    const bool in_memory =
        how == acceptance::rejection && logits ? race.operator()<acceptance::rejection, target_kind::logits>()
        : how == acceptance::rejection ? race.operator()<acceptance::rejection, target_kind::probabilities>()
        : how == acceptance::greedy
            ? (logits ? race.operator()<acceptance::greedy, target_kind::logits>()
                      : race.operator()<acceptance::greedy, target_kind::probabilities>())
            : (logits ? race.operator()<acceptance::gumbel, target_kind::logits>()
                      : race.operator()<acceptance::gumbel, target_kind::probabilities>());
    return in_memory ? "" : "a racing block writes beyond its memory";
  }
};

TEST_CASE("cuda accept programs: the same tokens and counts as the plain loops, however rows are split") {
  accepts_seen found;
  for (std::uint32_t k = 0; k < rounds(1500, 150); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(accept_trouble(on_host{random_source(~seed), found}, seed, 600, found) == "");
  }
  CHECK(found.accepted > 0);
  CHECK(found.rejected > 0);
  CHECK(found.split > 0);
  CHECK(found.whole > 0);
}

TEST_CASE("cuda accept programs: blocks for each request") {
  using pc::detail::parts_of_request;
  const std::uint64_t fours = 128256 / 4;
  CHECK(parts_of_request(32, fours, 256, 4 * 132) == 16);         // fill the device once
  CHECK(parts_of_request(1, fours, 256, 4 * 132) == fours / 256); // no thread without tokens
  CHECK(parts_of_request(300, fours, 256, 4 * 132) == 8);         // in several waves
  CHECK(parts_of_request(100000, fours, 256, 4 * 132) == 1);
  CHECK(parts_of_request(1, 1, 256, 4 * 132) == 1);
  CHECK(parts_of_request(0, fours, 256, 4 * 132) == 1);
}

TEST_CASE("cuda accept programs: fours are read at once where every one of every row is whole") {
  alignas(16) const float rows[8] = {};
  pc::draft_batch batch;
  batch.target = batch.draft_probs = rows;
  batch.vocab_size = 8;
  CHECK(pc::detail::whole_fours(batch));
  for (const std::size_t step : {10u, 12u}) {
    batch.target_step = step;
    CHECK(pc::detail::whole_fours(batch) == (step == 12));
  }
  for (const std::size_t step : {10u, 12u}) {
    batch.draft_step = step;
    CHECK(pc::detail::whole_fours(batch) == (step == 12));
  }
  batch.target = rows + 1;
  CHECK(!pc::detail::whole_fours(batch));
  batch.target = rows;
  batch.draft_probs = rows + 2;
  CHECK(!pc::detail::whole_fours(batch));
  batch.draft_probs = nullptr;
  CHECK(pc::detail::whole_fours(batch));
  batch.vocab_size = 7; // the last of a row is not
  CHECK(!pc::detail::whole_fours(batch));
}

TEST_CASE("cuda accept programs: the most tokens are those of softmax, where it is asked for") {
  using pc::detail::acceptance;
  pc::draft_batch batch;
  CHECK(pc::detail::most_tokens(batch, acceptance::rejection) == 0x7FFFFFFFu);
  batch.kind = pc::target_kind::logits;
  CHECK(pc::detail::most_tokens(batch, acceptance::rejection) == (1u << 24) - 1);
  CHECK(pc::detail::most_tokens(batch, acceptance::gumbel) == 0x7FFFFFFFu);
}

TEST_CASE("cuda accept programs: the workspace has a plan and n + 1 rows for each request") {
  CHECK(pc::detail::accept_workspace::bytes(3, 4) == 3 * (16 + 5 * (16 + 8)));
}

} // namespace

} // namespace cuda_accept_programs_test
