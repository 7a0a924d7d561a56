#include "planecast/cache/token_slots.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <list>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <vector>

namespace cache_token_slots_test {

namespace pc = planecast;
using pc::token_slots;

namespace {

std::vector<std::int64_t> listed(const token_slots& slots) {
  std::vector<std::int64_t> all;
  for (std::uint32_t t = 0; t < slots.tokens(); ++t)
    all.push_back(slots[t]);
  return all;
}

using many = std::vector<std::int64_t>;
using table = std::vector<std::int32_t>;

// What a call complains of.
template <class F>
std::string_view complaint(F&& f) {
  static std::string what;
  what.clear();
  try {
    f();
  } catch (const std::invalid_argument& e) {
    what = e.what();
  }
  return what;
}

// Copies share the slots: a copy that could fail would have copied them.
static_assert(std::is_nothrow_copy_constructible_v<token_slots>);
static_assert(std::is_nothrow_copy_assignable_v<token_slots>);

static_assert(std::is_constructible_v<token_slots, many>);
static_assert(std::is_constructible_v<token_slots, std::span<const std::int32_t>>);
static_assert(!std::is_convertible_v<many, token_slots>); // or a block table would pass for a slot mapping
static_assert(!std::is_constructible_v<token_slots, std::vector<float>>);
static_assert(!std::is_constructible_v<token_slots, std::vector<std::uint32_t>>); // −1 is padding
static_assert(!std::is_constructible_v<token_slots, int>);

} // namespace

TEST_CASE("token_slots: in order, or none") {
  CHECK(token_slots{}.tokens() == 0);
  CHECK(token_slots::first(0).tokens() == 0);
  CHECK(listed(token_slots::first(3)) == many{0, 1, 2});
}

TEST_CASE("token_slots: a slot mapping of any whole numbers, padding passed over") {
  const many slots = {9, -1, 8, std::int64_t{1} << 40, -1, -1};
  CHECK(listed(token_slots(slots)) == many{9, 8, std::int64_t{1} << 40});
  CHECK(listed(token_slots(table{5, -1, -1, 0x7FFFFFFF})) == many{5, 0x7FFFFFFF});
  CHECK(listed(token_slots(std::array<std::int16_t, 3>{3, 1, -1})) == many{3, 1});
  CHECK(listed(token_slots(std::list<long long>{7, 7})) == many{7, 7});
  CHECK(listed(token_slots(std::span(slots).subspan(2, 1))) == many{8});
  const std::int64_t in_c[] = {4, -1, 2};
  CHECK(listed(token_slots(in_c)) == many{4, 2});
  CHECK(listed(token_slots(many{})).empty());
  CHECK(listed(token_slots(many(3, token_slots::padding))).empty());
}

TEST_CASE("token_slots: a slot below padding is refused") {
  CHECK(complaint([] { (void)token_slots(many{0, -2}); }).find("slot below -1") != std::string_view::npos);
  CHECK_THROWS_AS((void)token_slots(table{-2147483647 - 1}), std::invalid_argument);
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_AS((void)token_slots(many{most}), std::invalid_argument);
  CHECK(token_slots(many{most - 1}).end() == most);
  CHECK_THROWS_AS((void)token_slots::blocks(many{most / 4 + 1}, 4, 1), std::invalid_argument);
}

TEST_CASE("token_slots: a block table") {
  const table blocks = {7, 0, 1 << 30};
  CHECK(listed(token_slots::blocks(blocks, 4, 5)) == many{28, 29, 30, 31, 0});
  CHECK(listed(token_slots::blocks(blocks, 1, 3)) == many{7, 0, 1 << 30});
  CHECK(listed(token_slots::blocks(blocks, 16, 33)).back() == std::int64_t{1} << 34); // beyond 32 bits
  CHECK(listed(token_slots::blocks(blocks, 4, 0)).empty());
  CHECK(listed(token_slots::blocks(many{7, 0, std::int64_t{1} << 40}, 4, 9)).back() == std::int64_t{1} << 42);
  CHECK(token_slots::blocks(blocks, 4, 5).block_size() == 4);
  CHECK(token_slots(blocks).block_size() == 0);
  CHECK(token_slots::blocks(blocks, 4, 5).end() == 32);
  CHECK(token_slots(many{3, -1}).end() == 4);
  CHECK(token_slots::first(5).end() == 5);
  CHECK(token_slots{}.end() == 0);
  CHECK(listed(token_slots::blocks(table{}, 4, 0)).empty());
  CHECK(listed(token_slots::blocks(table{3, -1}, 4, 4)) == many{12, 13, 14, 15}); // beyond: not looked at
}

TEST_CASE("token_slots: a block table that does not do is refused") {
  const table blocks = {7, 0};
  for (const std::uint32_t tokens : {9u, 0xFFFFFFFFu}) {
    CAPTURE(tokens);
    CHECK(complaint([&] { (void)token_slots::blocks(blocks, 4, tokens); }).find("a block table has ") !=
          std::string_view::npos);
  }
  CHECK_THROWS_AS((void)token_slots::blocks(blocks, 0, 1), std::invalid_argument);
  CHECK(complaint([] {
          (void)token_slots::blocks(table{7, -1}, 4, 5);
        }).find("block below 0") != std::string_view::npos);
}

TEST_CASE("token_slots: every sequence of a page table") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const std::uint32_t page_size = random.between(1, 20), sequences = random.between(1, 6);
    table indices, indptr = {0}, last_page_len;
    std::vector<many> wanted(sequences);
    for (std::uint32_t i = 0; i < sequences; ++i) {
      const std::uint32_t tokens = random.one_in(4) ? 0 : random.between(1, 100);
      for (std::uint32_t t = 0; t < tokens; ++t) {
        if (t % page_size == 0)
          indices.push_back(static_cast<std::int32_t>(random.below(1000)));
        wanted[i].push_back(std::int64_t{indices.back()} * page_size + t % page_size);
      }
      indptr.push_back(static_cast<std::int32_t>(indices.size()));
      // Of an empty sequence it means nothing: engines leave 0, or 1.
      last_page_len.push_back(tokens == 0 ? static_cast<std::int32_t>(random.below(2))
                                          : static_cast<std::int32_t>((tokens - 1) % page_size + 1));
    }
    for (std::uint32_t i = 0; i < sequences; ++i)
      CHECK(listed(token_slots::paged(indices, indptr, last_page_len, i, page_size)) == wanted[i]);
  }
}

TEST_CASE("token_slots: a page table whose parts do not fit each other is refused") {
  const table indices = {4, 5, 6}, indptr = {0, 2, 3}, last = {3, 4};
  CHECK(listed(token_slots::paged(indices, indptr, last, 1, 4)) == many{24, 25, 26, 27});
  const auto refused = [](const table& of, std::span<const std::int32_t> from,
                          std::span<const std::int32_t> rest, std::size_t i, std::uint32_t page_size) {
    return complaint([&] { (void)token_slots::paged(of, from, rest, i, page_size); }).find("page table") !=
           std::string_view::npos;
  };
  CHECK(refused(indices, indptr, last, 2, 4));                     // no such sequence
  CHECK(refused(indices, indptr, last, ~std::size_t{0}, 4));       // nor this
  CHECK(refused(indices, std::span(indptr).first(2), last, 1, 4)); // pages unknown
  CHECK(refused(indices, indptr, std::span(last).first(1), 1, 4)); // length unknown
  CHECK(refused(indices, table{0, 2, 4}, last, 1, 4));             // more pages than there are
  CHECK(refused(indices, table{0, 2, 1}, last, 1, 4));             // backwards
  CHECK(refused(indices, table{-1, 2, 3}, last, 0, 4));
  CHECK(refused(indices, indptr, table{3, 5}, 1, 4)); // more tokens than a page has
  CHECK(refused(indices, indptr, table{3, 0}, 1, 4)); // a page without tokens
  CHECK(refused(indices, indptr, table{3, -1}, 1, 4));
  CHECK(refused(indices, indptr, last, 1, 0));                   // no page size
  CHECK(refused(indices, table{0, 3}, table{1}, 0, 0xFFFFFFFF)); // more tokens than 32 bits count
  CHECK_THROWS_AS((void)token_slots::paged(table{-4}, table{0, 1}, table{1}, 0, 4), std::invalid_argument);
}

TEST_CASE("token_slots: of some tokens alone, as a sequence of their own") {
  const std::vector<std::uint32_t> some = {0, 3, 4}, none, beyond = {0, 5}, twice = {1, 1};
  const token_slots slots = token_slots::blocks(table{7, 0}, 4, 5); // 28 29 30 31 0
  CHECK(listed(slots.only(some)) == many{28, 31, 0});
  CHECK(slots.only(some).block_size() == 4); // a view of blocks of another length still refuses it
  CHECK(slots.only(some).end() == 32);
  CHECK(slots.only(some).run(0, 3, 4) == 1);
  CHECK(slots.only(none).tokens() == 0);
  CHECK(listed(slots.only(twice)) == many{29, 29}); // it is the caller's list
  CHECK(listed(token_slots::first(5).only(some)) == many{0, 3, 4});
  CHECK(token_slots::first(5).only(some).run(1, 2, 0) == 2);
  CHECK(complaint([&] { (void)slots.only(beyond); }) == "planecast: slots of token 5, there are 5");
}

TEST_CASE("token_slots: copies outlive what they were made of") {
  token_slots copy;
  {
    many slots = {3, 1, 2};
    const token_slots made(slots);
    slots.assign(3, 0);
    copy = made;
  }
  CHECK(listed(copy) == many{3, 1, 2});
  const token_slots again = copy;
  copy = token_slots::first(1);
  CHECK(listed(again) == many{3, 1, 2});
}

TEST_CASE("token_slots: a run is as long as slots follow each other within a block") {
  CHECK(token_slots::first(100).run(10, 90, 0) == 90);
  CHECK(token_slots::first(100).run(10, 90, 16) == 6);
  CHECK(token_slots::first(100).run(16, 3, 16) == 3);
  const token_slots gaps(many{4, 5, 6, 9, 10, 3, 2, 2});
  CHECK(gaps.run(0, 8, 0) == 3); // up to the gap
  CHECK(gaps.run(1, 1, 0) == 1);
  CHECK(gaps.run(3, 5, 0) == 2);
  CHECK(gaps.run(5, 3, 0) == 1); // backwards is not on
  CHECK(gaps.run(6, 2, 0) == 1); // nor is staying
  CHECK(gaps.run(0, 8, 5) == 1); // slot 5 begins another block
  const token_slots blocks = token_slots::blocks(table{3, 4, 1}, 4, 11);
  CHECK(blocks.run(0, 11, 4) == 4); // the next block follows, but may lie anywhere
  CHECK(blocks.run(0, 11, 0) == 8);
  CHECK(blocks.run(2, 9, 4) == 2);
  CHECK(blocks.run(8, 3, 4) == 3);
}

TEST_CASE("token_slots: a run is the longest there is") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const std::uint32_t block = random.one_in(3) ? 0 : random.between(1, 9);
    many slots;
    for (std::uint32_t t = 0; t < 40; ++t)
      slots.push_back(t == 0 || random.one_in(6) ? random.below(1000) : slots.back() + 1);
    const token_slots made(slots);
    const std::uint32_t token = random.below(40), most = random.between(1, 40 - token);
    const std::uint32_t run = made.run(token, most, block);
    const auto follows = [&](std::uint32_t t) {
      return slots[t] == slots[t - 1] + 1 && (block == 0 || slots[t] / block == slots[t - 1] / block);
    };
    REQUIRE(run >= 1);
    REQUIRE(run <= most);
    for (std::uint32_t t = token + 1; t < token + run; ++t)
      CHECK(follows(t));
    if (run < most)
      CHECK(!follows(token + run));
  }
}

} // namespace cache_token_slots_test
