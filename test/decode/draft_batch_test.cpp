#include "planecast/decode/draft_batch.hpp"

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>

namespace decode_draft_batch_test {

namespace pc = planecast;

namespace {

bool is(pc::draft_batch::drafts d, std::uint32_t first, std::uint32_t count) {
  return d.first == first && d.count == count;
}

TEST_CASE("draft batch: where drafts and rows lie, dense and ragged") {
  const std::array<float, 1> rows{};
  pc::draft_batch batch;
  batch.batch_size = 3;
  batch.max_draft_tokens = 4;
  batch.vocab_size = 10;
  batch.target = rows.data();
  CHECK(is(batch.of(2), 8, 4));
  CHECK(batch.target_row(2, batch.of(2), 1) - rows.data() == (2 * 5 + 1) * 10);
  CHECK(batch.draft_row(batch.of(2), 1) == nullptr);
  batch.draft_probs = rows.data();
  CHECK(batch.draft_row(batch.of(2), 1) - rows.data() == (2 * 4 + 1) * 10);

  const std::array<std::int32_t, 3> ends = {2, 2, 5};
  batch.cu_num_draft_tokens = ends.data();
  CHECK(is(batch.of(0), 0, 2));
  CHECK(is(batch.of(1), 2, 0));
  CHECK(is(batch.of(2), 2, 3));
  CHECK(batch.target_row(2, batch.of(2), 1) - rows.data() ==
        (2 + 2 + 1) * 10); // two rows behind drafts before
  const std::array<pc::token_id, 3> bonus{};
  batch.bonus_token_ids = bonus.data();
  CHECK(batch.target_row(2, batch.of(2), 1) - rows.data() == (2 + 1) * 10);

  batch.target_step = 12;
  CHECK(batch.target_row(2, batch.of(2), 1) - rows.data() == (2 + 1) * 12);
  CHECK(batch.draft_row(batch.of(2), 1) - rows.data() == (2 + 1) * 10);
  batch.draft_step = 16;
  CHECK(batch.draft_row(batch.of(2), 1) - rows.data() == (2 + 1) * 16);
}

TEST_CASE("draft batch: rows of 16-bit numbers lie by numbers, not by bytes") {
  const std::array<std::uint16_t, 1> patterns{};
  const std::array<float, 1> floats{};
  pc::basic_draft_batch<pc::bf16> batch;
  batch.max_draft_tokens = 4;
  batch.vocab_size = 10;
  batch.target = patterns.data();
  batch.draft_probs = floats.data();
  batch.target_step = 12;
  CHECK(batch.target_row(2, batch.of(2), 1) - patterns.data() == (2 * 5 + 1) * 12);
  CHECK(batch.draft_row(batch.of(2), 1) - floats.data() == (2 * 4 + 1) * 10);
}

TEST_CASE("draft batch: counts that cannot be are taken for the nearest that can") {
  pc::draft_batch batch;
  batch.batch_size = 2;
  batch.max_draft_tokens = 4;
  const std::array<std::int32_t, 2> ends = {9, 7};
  batch.cu_num_draft_tokens = ends.data();
  CHECK(is(batch.of(0), 0, 4));
  CHECK(is(batch.of(1), 9, 0));
}

TEST_CASE("draft batch: tokens, temperatures and noise") {
  pc::draft_batch batch;
  batch.vocab_size = 10;
  CHECK(batch.is_token(0));
  CHECK(batch.is_token(9));
  for (const pc::token_id id : {-1, 10, std::numeric_limits<pc::token_id>::min()})
    CHECK(!batch.is_token(id));
  CHECK(!batch.greedy(0));
  const std::array<float, 3> temperature = {-1, 0.5f, std::numeric_limits<float>::quiet_NaN()};
  batch.temperature = temperature.data();
  CHECK(batch.greedy(0));
  CHECK(!batch.greedy(1));
  CHECK(batch.greedy(2));

  const auto noise_is = [&](std::uint64_t seed, std::uint64_t position, std::uint32_t stream) {
    const pc::position_noise at = batch.noise(1, 3);
    return at.seed == seed && at.position == position && at.stream == stream;
  };
  batch.seed = 5;
  batch.offset = 100;
  CHECK(noise_is(5, 103, 1)); // its number in the batch tells it from others
  const std::array<std::uint64_t, 2> seeds = {6, 7}, offsets = {200, 300};
  batch.offsets = offsets.data();
  CHECK(noise_is(5, 303, 1));
  batch.seeds = seeds.data();
  CHECK(noise_is(7, 303, 0)); // and with a seed of its own, it is the same in any batch
}

} // namespace

} // namespace decode_draft_batch_test
