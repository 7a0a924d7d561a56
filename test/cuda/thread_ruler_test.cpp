// A thread finds the cells, and their ends, that the code's definition names.
#include "planecast/code/cell.hpp"
#include "planecast/cuda/detail/group_finders.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>

namespace cuda_thread_ruler_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

// What is wrong with the row whose values have these orders at its ends; nothing, if all is well.
template <class Number, std::uint32_t Bits>
std::string row_trouble(std::uint32_t least, std::uint32_t greatest, std::uint32_t& found) {
  pc::cells<Number, Bits> scalars;
  if (!scalars.fit({least, greatest}))
    return "";
  const auto line = scalars.on_line();
  const auto r = pc::detail::row_ruler<Number, pc::per_token>(scalars.low, scalars.step);
  const auto finder = pc::detail::cell_finder<Number>::of(r.low, r.step);
  const std::uint32_t stride = std::max(1u, (greatest - least) / 1500);
  const auto order_trouble = [&](std::uint32_t order) -> std::string {
    const std::uint16_t pattern = Number::pattern(order);
    const float value = pc::detail::value_of<Number>(pattern);
    const std::uint32_t q = line.code(order);
    if ((finder.code(value) & 0xFFu) != q)
      return "another cell";
    pc::detail::cell_ends is;
    if ((finder.code(value, is) & 0xFFu) != q || is.begin >> 16 != line.first(q) ||
        is.end >> 16 != line.first(q + 1) || pc::detail::tail_bits_of(is.extent() >> 16) != line.tail_bits(q))
      return "another extent, of a value";
    // A row of zeros has its only cell from −0 on, as column_rulers::exact_of says.
    const auto cells = finder.divides() || value != 0 ? r : decltype(r){-0.0f, 0};
    const float cell = static_cast<float>(q) - 1;
    if (extent_of(cells, cell) != is.extent() ||
        (finder.divides() && extent_of_several(cells, cell) != is.extent()))
      return "another extent, of a cell";
    ++found;
    return "";
  };
  for (std::uint32_t order = least; order <= greatest; order += stride)
    if (const std::string wrong = order_trouble(order); !wrong.empty())
      return wrong;
  for (std::uint32_t q = 1; q <= line.last; ++q) // the boundaries, where a guess may fail
    for (std::uint32_t step = 0; step < 2; ++step)
      if (const std::uint32_t order = line.first(q) - step; order >= least && order <= greatest)
        if (const std::string wrong = order_trouble(order); !wrong.empty())
          return wrong;
  return order_trouble(greatest);
}

template <class Number, std::uint32_t Bits>
void rows_are_as_defined(std::uint32_t count) {
  constexpr std::uint32_t all = 1u << Number::bits, lowest = Number::order(Number::sign | Number::greatest),
                          highest = Number::order(Number::greatest);
  static_assert(highest < all);
  std::uint32_t found = 0;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const std::uint32_t least = lowest + random.below(highest - lowest + 1);
    // Few patterns between the ends, where the boundaries are rounded most; any number; around zero.
    const std::uint32_t ends[] = {std::min(highest, least + random.below(40)),
                                  least + random.below(highest - least + 1),
                                  std::min(highest, Number::order(0) + random.below(20)), least}; // one cell
    CHECK(row_trouble<Number, Bits>(Number::order(Number::sign), Number::order(0), found) == ""); // zeros
    CHECK(row_trouble<Number, Bits>(lowest, lowest, found) == "");
    CHECK(row_trouble<Number, Bits>(highest, highest, found) == "");
    for (const std::uint32_t greatest : ends)
      if (greatest >= least) {
        CAPTURE(least);
        CAPTURE(greatest);
        CHECK(row_trouble<Number, Bits>(least, greatest, found) == "");
      }
  }
  CHECK(found > count);
}

} // namespace

TEST_CASE("thread ruler: a thread's cells are the definition's") {
  rows_are_as_defined<pc::bf16, 8>(rounds(400, 40));
  rows_are_as_defined<pc::bf16, 4>(rounds(200, 20));
  rows_are_as_defined<pc::fp16, 8>(rounds(400, 40));
  rows_are_as_defined<pc::fp16, 2>(rounds(200, 20));
  rows_are_as_defined<pc::e4m3, 8>(rounds(100, 20));
  rows_are_as_defined<pc::e5m2, 6>(rounds(100, 20));
}

} // namespace cuda_thread_ruler_test
