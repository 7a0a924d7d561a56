// Tiles of random shape from hard rows, coded and decoded by a runner: the same bytes and values as the plain
// loops give.
#pragma once

#include "planecast/cpu/plain.hpp"
#include "planecast/cuda/device_pages.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include "code/rows.hpp"
#include "cuda/engine_array.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace planecast_test {

/// How many tiles were what.
struct tiles_seen {
  std::uint32_t coded = 0, stored = 0;
};

/// Tiles with memory of their own, of random shape.
template <class Number, class Q, class Planes, template <class> class Allocator>
struct some_tiles {
  using format = Number;

  planecast::device_tiles<Q, Planes> are;
  std::vector<std::uint64_t, Allocator<std::uint64_t>> memory;
  std::vector<std::uint32_t, Allocator<std::uint32_t>> ends;
  std::vector<planecast::encoded_tile, Allocator<planecast::encoded_tile>> coded;

  explicit some_tiles(random_source& random) {
    are.page_tokens = Q::page_tokens != 0 ? Q::page_tokens : 16u << random.below(4);
    are.dim = 8 * (1 + random.below(random.below(10) == 0 ? 72 : 12));
    if (random.below(4) == 0) // groups that are a power of two: those of a token are in one warp
      are.dim = 16u << random.below(5);
    are.tokens = 1 + random.below(3 * are.page_tokens);
    are.first = random.coin() ? 0 : random.below(are.tokens);
    are.heads = 1 + random.below(3);
    are.value_bytes = planecast::value_bytes(Number::id);
    memory.assign(are.memory_bytes() / 8 + 4, poison);
    ends.assign(are.ends() + 1, static_cast<std::uint32_t>(poison));
    coded.resize(are.tiles());
    are.bytes =
        reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 15) / 16 * 16);
    are.tail_ends = ends.data();
    are.coded = coded.data();
  }
  [[nodiscard]] bool written_beyond() const {
    return ends.back() != static_cast<std::uint32_t>(poison) || memory.back() != poison;
  }
  /// f(number of a tile, its head, its layout, its first token).
  template <class F>
  void each(F&& f) const {
    for (std::uint32_t k = 0; k < are.tiles(); ++k)
      f(k, k / are.pages(), are.layout(k % are.pages()), are.first_of(k % are.pages()));
  }

private:
  static constexpr std::uint64_t poison = 0xA5A5A5A5A5A5A5A5u;
};

/// Hard values into an engine's array, which has the tiles' shape.
template <class Tiles, class Array>
void fill_hard(const Tiles& tiles, Array& array, random_source& random) {
  using Number = typename Tiles::format;
  tiles.each([&](std::uint32_t, std::uint32_t h, auto layout, std::uint32_t first) {
    const auto values = hard_tile<Number>(layout.shape, random.coin(),
                                          random.coin() ? hard_kinds : hard_kinds_in_range, random);
    for (std::uint32_t i = 0; i < layout.shape.values(); ++i)
      planecast::detail::store_pattern<Number>(array.row(first + i / layout.shape.dim, h),
                                               i % layout.shape.dim, values[i]);
  });
}

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     encode<Number>(tiles, rows, whole)
///     decode<Number>(tiles, planes, rows, whole)
///     decode_exact<Number>(tiles, rows, corrupt, whole)
///
/// of which each says what goes wrong there.
template <class Number, class Q, class Planes, class Runner>
std::string tiles_trouble(Runner&& run, std::uint64_t seed, tiles_seen& found) {
  using runner = std::remove_cvref_t<Runner>;
  random_source random(seed);
  some_tiles<Number, Q, Planes, runner::template allocator> tiles(random);
  const auto array = [&] {
    return engine_array<runner::template allocator>(tiles.are.tokens, tiles.are.heads, tiles.are.dim,
                                                    tiles.are.value_bytes, random);
  };
  auto from = array(), to = array();
  fill_hard(tiles, from, random);

  if (const std::string wrong = run.template encode<Number>(tiles.are, from.source(), from.whole());
      !wrong.empty())
    return wrong;
  if (tiles.written_beyond())
    return "the encoder writes beyond the tiles";
  std::string wrong;
  tiles.each([&](std::uint32_t k, std::uint32_t h, auto layout, std::uint32_t first) {
    const std::size_t step = std::size_t{layout.value_bytes} * layout.shape.dim;
    std::vector<std::byte> rows(layout.shape.tokens * step), expected(layout.bound());
    for (std::uint32_t t = 0; t < layout.shape.tokens; ++t)
      std::memcpy(rows.data() + t * step, from.row(first + t, h), step);
    std::vector<std::uint32_t> ends(layout.shape.tokens);
    const planecast::encoded_tile plain = planecast::plain_cpu::encode(
        Number::id, layout, planecast::source_rows{rows.data(), static_cast<std::ptrdiff_t>(step)},
        expected.data(), ends.data());
    (plain.stored ? found.stored : found.coded) += 1;
    if (tiles.coded[k].bytes != plain.bytes || tiles.coded[k].stored != plain.stored)
      wrong = "a tile of another length";
    else if (std::memcmp(tiles.are.tile(k), expected.data(), plain.bytes) != 0)
      wrong = "other bytes";
    else if (!std::equal(ends.begin(), ends.end(), tiles.are.ends_of(k)))
      wrong = "other ends of tails";
  });

  for (std::uint32_t planes = 1; planes <= Planes::count && wrong.empty(); ++planes) {
    std::fill(to.memory.begin(), to.memory.end(), std::byte{0x5A}); // nothing is left from fewer planes
    auto expected = to.memory;                                      // the values, and nothing beside them
    tiles.each([&](std::uint32_t k, std::uint32_t h, auto layout, std::uint32_t first) {
      for (std::uint32_t t = 0; t < layout.shape.tokens; ++t) {
        std::byte* const at = expected.data() + (to.row(first + t, h) - to.memory.data());
        if (planes > Planes::fixed || tiles.coded[k].stored)
          std::memcpy(at, from.row(first + t, h), std::size_t{layout.value_bytes} * layout.shape.dim);
        else
          planecast::plain_cpu::decode(Number::id, layout, tiles.are.tile(k), t, 1, planes,
                                       planecast::target_rows{at, 0});
      }
    });
    std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> corrupt(1);
    if (planes <= Planes::fixed)
      wrong = run.template decode<Number>(tiles.are, planes, to.rows, to.whole());
    else if constexpr (Planes::has_tail)
      wrong = run.template decode_exact<Number>(tiles.are, to.rows, corrupt.data(), to.whole());
    if (wrong.empty() && corrupt[0] != 0)
      wrong = "its own tiles are corrupt to it";
    if (wrong.empty() && to.memory != expected)
      wrong = "prefix " + std::to_string(planes) + ": other values, or something beside them";
  }
  return wrong;
}

/// The same of decoding into rows of any type of numbers, at any scale, by
///
///     decode<Number>(tiles, planes, pages, whole)
///     decode_exact<Number>(tiles, pages, corrupt, whole)
///
/// What is expected is what comes of decoding and then of converting each row.
template <class Number, class Q, class Planes, class Runner>
std::string pages_trouble(Runner&& run, std::uint64_t seed, tiles_seen& found) {
  using namespace planecast;
  using runner = std::remove_cvref_t<Runner>;
  random_source random(seed);
  some_tiles<Number, Q, Planes, runner::template allocator> tiles(random);
  constexpr number types[] = {number::bf16, number::fp16, number::fp8_e4m3, number::fp8_e5m2};
  const number held = types[random.below(4)];
  const auto scale_of = [&](number n) {
    return value_bytes(n) == 1 && random.coin()
               ? std::ldexp(1.0f + 0.1f * static_cast<float>(random.below(10)),
                            static_cast<int>(random.below(20)) - 10)
               : 1.0f;
  };
  const detail::held_numbers as{.held = held,
                                .sent = Number::id,
                                .scales = {.keys = scale_of(held), .sent_keys = scale_of(Number::id)}};
  engine_array<runner::template allocator> from(tiles.are.tokens, tiles.are.heads, tiles.are.dim,
                                                tiles.are.value_bytes, random),
      to(tiles.are.tokens, tiles.are.heads, tiles.are.dim, value_bytes(held), random);
  fill_hard(tiles, from, random);
  std::string wrong = run.template encode<Number>(tiles.are, from.source(), from.whole());
  const device_pages pages{to.rows, held, as.scales.keys, as.scales.sent_keys};
  for (std::uint32_t planes = 1; planes <= Planes::count && wrong.empty(); ++planes) {
    std::fill(to.memory.begin(), to.memory.end(), std::byte{0x5A});
    auto expected = to.memory;
    std::vector<std::byte> row(std::size_t{tiles.are.value_bytes} * tiles.are.dim);
    tiles.each([&](std::uint32_t k, std::uint32_t h, auto layout, std::uint32_t first) {
      (tiles.coded[k].stored ? found.stored : found.coded) += 1;
      for (std::uint32_t t = 0; t < layout.shape.tokens; ++t) {
        if (planes > Planes::fixed || tiles.coded[k].stored)
          std::memcpy(row.data(), from.row(first + t, h), row.size());
        else
          plain_cpu::decode(Number::id, layout, tiles.are.tile(k), t, 1, planes, target_rows{row.data(), 0});
        std::byte* const at = expected.data() + (to.row(first + t, h) - to.memory.data());
        if (as.converts(false))
          as.convert(false, row.data(), layout.shape.dim, at);
        else // not even a NaN is made quiet
          std::memcpy(at, row.data(), row.size());
      }
    });
    std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> corrupt(1);
    if (planes <= Planes::fixed)
      wrong = run.template decode<Number>(tiles.are, planes, pages, to.whole());
    else if constexpr (Planes::has_tail)
      wrong = run.template decode_exact<Number>(tiles.are, pages, corrupt.data(), to.whole());
    if (wrong.empty() && corrupt[0] != 0)
      wrong = "its own tiles are corrupt to it";
    if (wrong.empty() && to.memory != expected)
      wrong = "prefix " + std::to_string(planes) + " in another type: other values, or something beside them";
  }
  return wrong;
}

} // namespace planecast_test
