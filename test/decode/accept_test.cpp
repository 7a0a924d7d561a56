#include "planecast/decode/accept.hpp"

#include <array>
#include <doctest/doctest.h>
#include <stdexcept>
#include <vector>

namespace decode_accept_test {

namespace {

namespace pc = planecast;
using ids = std::vector<pc::token_id>;

struct accepted {
  std::size_t count;
  ids output;
  bool operator==(const accepted&) const = default;
};

accepted accept(const ids& draft, const ids& target) {
  ids output(draft.size() + 1, 99);
  const std::size_t count = pc::accept_greedy(draft, target, output);
  return {count, output};
}

TEST_CASE("the longest matching prefix is accepted, and the target's token follows it") {
  CHECK(accept({1, 2, 3}, {1, 2, 3, 4}) == accepted{3, {1, 2, 3, 4}});
  CHECK(accept({1, 2, 3}, {1, 5, 3, 4}) == accepted{1, {1, 5, -1, -1}});
  CHECK(accept({1, 2, 3}, {7, 2, 3, 4}) == accepted{0, {7, -1, -1, -1}});
  CHECK(accept({}, {7}) == accepted{0, {7}});
}

TEST_CASE("padding is never accepted") {
  CHECK(accept({1, -1, -1}, {1, 2, 3, 4}) == accepted{1, {1, 2, -1, -1}});
  CHECK(accept({1, -1}, {1, -1, 3}).count == 1);
}

TEST_CASE("a batch is its rows") {
  const ids draft = {1, 2, /**/ 1, 2, /**/ 1, 2}, target = {1, 2, 3, /**/ 1, 4, 5, /**/ 6, 2, 3};
  ids output(9, 99);
  std::array<std::int32_t, 3> count{};
  pc::accept_greedy(2, draft, target, output, count);
  CHECK(count == std::array<std::int32_t, 3>{2, 1, 0});
  CHECK(output == ids{1, 2, 3, /**/ 1, 4, -1, /**/ 6, -1, -1});

  ids nothing;
  pc::accept_greedy(2, nothing, nothing, nothing, {});
  ids one(3);
  pc::accept_greedy(0, nothing, ids{5, 6, 7}, one, count);
  CHECK(one == ids{5, 6, 7});
  CHECK(count == std::array<std::int32_t, 3>{0, 0, 0});
}

TEST_CASE("wrong lengths throw") {
  ids output(3);
  std::array<std::int32_t, 2> count{};
  CHECK_THROWS_AS((void)pc::accept_greedy(ids{1, 2}, ids{1, 2}, output), std::invalid_argument);
  CHECK_THROWS_AS((void)pc::accept_greedy(ids{1}, ids{1, 2}, output), std::invalid_argument);
  CHECK_THROWS_AS(pc::accept_greedy(1, ids{1, 2}, ids{1, 2, 3}, output, count), std::invalid_argument);
}

constexpr bool works_at_compile_time() {
  const std::array<pc::token_id, 2> draft = {1, 2};
  const std::array<pc::token_id, 3> target = {1, 3, 4};
  std::array<pc::token_id, 3> output = {};
  return pc::accept_greedy(draft, target, output) == 1 && output == std::array<pc::token_id, 3>{1, 3, -1};
}
static_assert(works_at_compile_time());

} // namespace

} // namespace decode_accept_test
