// Threads of a warp have the groups of a row as the instructions that they ask each other by take it.
#include "planecast/cuda/detail/group_lanes.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

namespace cuda_group_lanes_test {

using planecast::detail::group_lanes;

namespace {

// Calls f(groups, threads, rows).
template <class F>
void of_each_shape(const F& f) {
  for (std::uint32_t groups = 1; groups <= 80; ++groups)
    for (const std::uint32_t threads : {32u, 128u, 256u})
      for (const std::uint32_t rows : {1u, 2u, 7u, 64u}) {
        CAPTURE(groups);
        CAPTURE(threads);
        CAPTURE(rows);
        f(groups, threads, rows);
      }
}

} // namespace

TEST_CASE("group lanes: each group of each row is one thread's, its neighbours in the row beside it") {
  of_each_shape([](std::uint32_t groups, std::uint32_t threads, std::uint32_t rows) {
    std::vector<std::uint32_t> found(groups * rows);
    std::vector<std::vector<std::uint32_t>> asked(threads); // rows, in the order of their turns
    bool beside = true, in_range = true;
    for (std::uint32_t thread = 0; thread < threads; ++thread) {
      const group_lanes mine({thread, threads, 0}, groups);
      // Lanes of a row are a part of a warp that begins at a multiple of their number, a power of two.
      beside = beside && 32 % mine.lanes == 0 && mine.lane == thread % mine.lanes &&
               mine.row == thread / mine.lanes && mine.rows_before == thread % 32 / mine.lanes;
      mine.each(rows, [&](std::uint32_t row, bool there) {
        asked[thread].push_back(row);
        in_range = in_range && row < rows;
        for (std::uint32_t g = mine.lane; there && in_range && g < mine.groups; g += mine.lanes)
          ++found[row * groups + g];
      });
    }
    CHECK(beside);
    CHECK(in_range);
    CHECK((found == std::vector<std::uint32_t>(groups * rows, 1)));
    bool together = true; // all threads of a warp go round as often
    for (std::uint32_t thread = 0; thread < threads; ++thread)
      together = together && asked[thread].size() == asked[thread / 32 * 32].size();
    CHECK(together);
  });
}
TEST_CASE(
    "group lanes: group by group the threads of a warp go round together, and each group is there once") {
  struct turn {
    std::uint32_t row, of_row; // the groups' turn in the row
  };
  of_each_shape([](std::uint32_t groups, std::uint32_t threads, std::uint32_t rows) {
    std::vector<std::uint32_t> found(groups * rows);
    std::vector<std::vector<turn>> asked(threads);
    bool in_range = true, is_there = true, of_lane = true, kept = true;
    for (std::uint32_t thread = 0; thread < threads; ++thread) {
      const group_lanes mine({thread, threads, 0}, groups);
      mine.each_group(rows, [&](std::uint32_t row, std::uint32_t g, bool there, std::uint32_t& turns) {
        of_lane = of_lane && g % mine.lanes == mine.lane;
        kept = kept && turns == g / mine.lanes; // what the turns before left, of this row alone
        ++turns;
        asked[thread].push_back({row, g / mine.lanes});
        in_range = in_range && row < rows;
        is_there = is_there && (!there || g < groups);
        if (there && row < rows && g < groups)
          ++found[row * groups + g];
      });
    }
    CHECK(in_range);
    CHECK(is_there);
    CHECK(of_lane);
    CHECK(kept);
    CHECK((found == std::vector<std::uint32_t>(groups * rows, 1)));
    const std::uint32_t lanes = group_lanes({0, threads, 0}, groups).lanes;
    bool as_often = true, same_turn = true, same_row = true;
    for (std::uint32_t thread = 0; thread < threads; ++thread) {
      const auto& first = asked[thread / 32 * 32]; // of the warp
      as_often = as_often && asked[thread].size() == first.size();
      for (std::size_t k = 0; as_often && k < first.size(); ++k) {
        const turn is = asked[thread][k];
        same_turn = same_turn && is.of_row == first[k].of_row;
        // What lanes of a row ask each other is about that row.
        same_row = same_row && is.row == asked[thread / lanes * lanes][k].row;
      }
    }
    CHECK(as_often);
    CHECK(same_turn);
    CHECK(same_row);
  });
}
TEST_CASE("group lanes: as many threads as groups, where they are a power of two") {
  for (const auto& [groups, lanes] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {1, 1}, {2, 2}, {3, 4}, {8, 8}, {9, 16}, {12, 16}, {16, 16}, {17, 32}, {32, 32}, {72, 32}})
    CHECK(group_lanes({0, 128, 0}, groups).lanes == lanes);
}
TEST_CASE("group lanes: sums are those of the groups before, and of all") {
  const group_lanes mine({5, 64, 0}, 24);
  const auto number = [](std::uint32_t g) { return g + 1; };
  std::uint32_t turns = 0;
  CHECK(mine.before(5, number(5), turns, number) == 15);
  CHECK(mine.before(40, 0, turns, number) == 300); // no such group: all are before it
  CHECK(mine.sum(number(5), number) == 300);
}

} // namespace cuda_group_lanes_test
