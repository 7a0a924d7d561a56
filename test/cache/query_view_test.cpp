#include "planecast/cache/query_view.hpp"

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace cache_query_view_test {

using namespace planecast;

TEST_CASE("query_view: rows x heads x channels, fp32") {
  std::vector<float> q(3 * 2 * 8);
  std::iota(q.begin(), q.end(), 0.0f);
  const query_view view(q.data(), {.rows = 3, .heads = 2, .dim = 8});
  CHECK(view.rows() == 3);
  CHECK(view.heads() == 2);
  CHECK(view.dim() == 8);
  CHECK(view.at(0, 0, 0) == 0);
  CHECK(view.at(2, 1, 5) == 2 * 16 + 8 + 5);
  CHECK(!view.has_lse());
}

TEST_CASE("query_view: heads first, padded rows, strides that run backwards") {
  std::vector<float> q(100);
  std::iota(q.begin(), q.end(), 0.0f);
  CHECK(query_view(q.data(), {.rows = 3, .heads = 2, .dim = 8, .row = 10, .head = 40}).at(2, 1, 7) == 67);
  CHECK(query_view(q.data(), {.rows = 3, .heads = 2, .dim = 8, .row = 20}).at(2, 1, 7) == 55);
  CHECK(query_view(q.data() + 90, {.rows = 3, .heads = 2, .dim = 8, .row = -16}).at(2, 1, 7) == 90 - 32 + 15);
}

TEST_CASE("query_view: 16-bit formats") {
  const std::array<std::uint16_t, 2> q = {0x3C00, 0x4000};
  CHECK(query_view(number::fp16, q.data(), {.rows = 1, .heads = 1, .dim = 2}).at(0, 0, 1) == 2);
  CHECK(query_view(number::bf16, q.data(), {.rows = 1, .heads = 1, .dim = 2}).at(0, 0, 1) == 2);
  CHECK(query_view(number::bf16, q.data(), {.rows = 1, .heads = 1, .dim = 2}).at(0, 0, 0) == 0x1p-7f);
  CHECK_THROWS_AS(query_view(number{77}, q.data(), {}), std::invalid_argument);
}

TEST_CASE("query_view: denominators by head and row") {
  const std::array<float, 12> lse = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const float q = 0;
  const query_view view(&q, {.rows = 3, .heads = 2, .dim = 0});
  CHECK(view.with_lse(lse.data()).has_lse());
  CHECK(view.with_lse(lse.data()).lse(2, 1) == 5);
  CHECK(view.with_lse(lse.data(), 7).lse(2, 1) == 9);
  CHECK(!view.has_lse());
}

} // namespace cache_query_view_test
