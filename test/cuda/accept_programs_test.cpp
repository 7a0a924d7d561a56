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
#include <type_traits>

namespace cuda_accept_programs_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;
  accepts_seen& found;

  template <class Target, class Draft>
  std::string accept(pc::detail::acceptance how, const pc::basic_draft_batch<Target, Draft>& batch,
                     const pc::accepted_batch& out, void* workspace, std::size_t) {
    const pc::detail::accept_workspace room(workspace, batch.batch_size, batch.max_draft_tokens);
    const auto threads = [&] { return 1 + random.below(random.coin() ? 8 : 200); };
    const bool whole = pc::detail::whole_groups(batch) && random.coin();
    found.whole += whole ? 1 : 0;
    using row_fours = pc::detail::row_fours<pc::detail::fours_at_once<Target, Draft>>;
    if (how == pc::detail::acceptance::rejection && batch.kind == pc::target_kind::logits) {
      std::fill_n(room.softmax, batch.batch_size * room.most_rows, pc::detail::row_softmax{});
      const auto blocks = [&](auto program) {
        program.fours.parts = 1 + random.below(7);
        return run_on_host(program, batch.batch_size * program.fours.parts, threads(),
                           pc::detail::softmax_memory_bytes(batch.max_draft_tokens), random);
      };
      const row_fours fours{batch.vocab_size, 1, whole};
      if (!blocks(pc::detail::softmax_program<false, Target, Draft>{batch, room, fours}) ||
          !blocks(pc::detail::softmax_program<true, Target, Draft>{batch, room, fours}))
        return "a block of softmax writes beyond its memory";
    }
    if (!run_on_host(pc::detail::judge_program<Target, Draft>{batch, how, room}, batch.batch_size, threads(),
                     pc::detail::judge_program<Target, Draft>::memory_bytes, random))
      return "a judging block writes beyond its memory";
    const std::uint32_t rows = pc::detail::most_rows(batch, how), parts = 1 + random.below(7);
    found.split += parts > 1 ? 1 : 0;
    const auto race = [&]<pc::detail::acceptance How, pc::target_kind Kind>(
                          std::integral_constant<pc::detail::acceptance, How>,
                          std::integral_constant<pc::target_kind, Kind>) {
      return run_on_host(
          pc::detail::race_program<How, Kind, Target, Draft>{
              batch, room, out, {batch.vocab_size, parts, whole}, rows},
          batch.batch_size * parts, threads(), pc::detail::race_memory_bytes(rows), random);
    };
    const auto race_by = [&](auto of) {
      using pc::target_kind;
      return batch.kind == target_kind::logits
                 ? race(of, std::integral_constant<target_kind, target_kind::logits>())
                 : race(of, std::integral_constant<target_kind, target_kind::probabilities>());
    };
    using pc::detail::acceptance;
    const bool in_memory =
        how == acceptance::rejection ? race_by(std::integral_constant<acceptance, acceptance::rejection>())
        : how == acceptance::greedy  ? race_by(std::integral_constant<acceptance, acceptance::greedy>())
                                     : race_by(std::integral_constant<acceptance, acceptance::gumbel>());
    return in_memory ? "" : "a racing block writes beyond its memory";
  }
};

template <class Target, class Draft>
void accept_as_plain_loops(std::uint32_t count) {
  accepts_seen found;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(accept_trouble<Target, Draft>(on_host{random_source(~seed), found}, seed, 600, found) == "");
  }
  CHECK(found.accepted > 0);
  CHECK(found.rejected > 0);
  CHECK(found.split > 0);
  CHECK(found.whole > 0);
}

TEST_CASE("cuda accept programs: the same tokens and counts as the plain loops, however rows are split") {
  accept_as_plain_loops<float, float>(rounds(1500, 150));
}
TEST_CASE("cuda accept programs: rows of 16-bit numbers are taken for the floats that they are") {
  accept_as_plain_loops<pc::bf16, float>(rounds(700, 100));
  accept_as_plain_loops<pc::fp16, pc::fp16>(rounds(700, 100));
  accept_as_plain_loops<float, pc::bf16>(rounds(400, 100));
}

template <class Target = float, class Draft = float>
void accepts_a_large_batch(pc::detail::acceptance how, pc::target_kind kind, std::uint32_t requests = 32) {
  const batch_extents extents{.requests = rounds(requests, 2), .drafts = rounds(8, 3)};
  accepts_seen found;
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  CHECK(large_accept_trouble<Target, Draft>(on_host{random_source(~seed), found}, seed, how, kind, extents,
                                            found) == "");
  CHECK((slow || (found.accepted > 0 && found.rejected > 0)));
}
TEST_CASE("cuda accept programs: as many requests and tokens as engines have, greedy") {
  accepts_a_large_batch(pc::detail::acceptance::greedy, pc::target_kind::logits);
  accepts_a_large_batch(pc::detail::acceptance::greedy, pc::target_kind::probabilities);
}
TEST_CASE("cuda accept programs: as many requests and tokens as engines have, by noise and logits") {
  accepts_a_large_batch(pc::detail::acceptance::gumbel, pc::target_kind::logits);
}
TEST_CASE("cuda accept programs: as many requests and tokens as engines have, by noise and probabilities") {
  accepts_a_large_batch(pc::detail::acceptance::gumbel, pc::target_kind::probabilities);
}
TEST_CASE("cuda accept programs: as many requests and tokens as engines have, by rejection from logits") {
  accepts_a_large_batch(pc::detail::acceptance::rejection, pc::target_kind::logits);
}
TEST_CASE(
    "cuda accept programs: as many requests and tokens as engines have, by rejection from probabilities") {
  accepts_a_large_batch(pc::detail::acceptance::rejection, pc::target_kind::probabilities);
}
TEST_CASE("cuda accept programs: as many tokens as engines have, in rows of 16-bit numbers") {
  accepts_a_large_batch<pc::bf16, float>(pc::detail::acceptance::rejection, pc::target_kind::logits, 8);
  accepts_a_large_batch<pc::fp16, pc::fp16>(pc::detail::acceptance::gumbel, pc::target_kind::logits, 8);
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

TEST_CASE(
    "cuda accept programs: sixteen bytes are read at once where every row begins at a multiple of them") {
  alignas(16) const float rows[8] = {};
  pc::draft_batch batch;
  batch.target = batch.draft_probs = rows;
  batch.vocab_size = 8;
  CHECK(pc::detail::whole_groups(batch));
  for (const std::size_t step : {10u, 12u}) {
    batch.target_step = step;
    CHECK(pc::detail::whole_groups(batch) == (step == 12));
  }
  for (const std::size_t step : {10u, 12u}) {
    batch.draft_step = step;
    CHECK(pc::detail::whole_groups(batch) == (step == 12));
  }
  batch.target = rows + 1;
  CHECK(!pc::detail::whole_groups(batch));
  batch.target = rows;
  batch.draft_probs = rows + 2;
  CHECK(!pc::detail::whole_groups(batch));
  batch.draft_probs = nullptr;
  batch.draft_step = 0;
  CHECK(pc::detail::whole_groups(batch));
  batch.vocab_size = 7; // a row's end is read one by one; rows that are not there lie nowhere
  CHECK(pc::detail::whole_groups(batch));
  batch.target_step = 0;
  CHECK(!pc::detail::whole_groups(batch));
}
TEST_CASE("cuda accept programs: so are rows of 16-bit numbers") {
  alignas(16) const std::uint16_t patterns[16] = {};
  alignas(16) const float floats[16] = {};
  pc::basic_draft_batch<pc::bf16> batch;
  batch.target = patterns;
  batch.draft_probs = floats;
  batch.vocab_size = 16;
  CHECK(pc::detail::whole_groups(batch));
  for (const std::size_t step : {20u, 24u}) {
    batch.target_step = step;
    CHECK(pc::detail::whole_groups(batch) == (step == 24));
  }
  batch.draft_step = 20; // of floats
  CHECK(pc::detail::whole_groups(batch));
  batch.target = patterns + 4;
  CHECK(!pc::detail::whole_groups(batch));
  pc::basic_draft_batch<float, pc::fp16> drafts;
  drafts.target = floats;
  drafts.draft_probs = patterns;
  drafts.vocab_size = 12;
  CHECK(!pc::detail::whole_groups(drafts));
  drafts.draft_step = 16;
  CHECK(pc::detail::whole_groups(drafts));
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
