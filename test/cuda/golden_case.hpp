// Golden tiles, coded and decoded by a runner of tile_case.hpp's.
#pragma once

#include "planecast/cuda/device_tiles.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"

#include "code/golden.hpp"
#include "cuda/tile_case.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// What goes wrong with a golden tile; nothing, if all is well.
template <class Number, class Q, class Planes, class Runner>
std::string golden_trouble_as(Runner&& run, const golden& g) {
  using runner = std::remove_cvref_t<Runner>;
  using bytes = std::vector<std::byte, typename runner::template allocator<std::byte>>;
  using words = std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>>;
  const auto tokens = static_cast<std::uint32_t>(g.what.tokens), dim = static_cast<std::uint32_t>(g.what.dim);
  constexpr std::uint32_t size = planecast::value_bytes(Number::id);
  planecast::device_tiles<Q, Planes> tiles{.tokens = tokens,
                                           .heads = 1,
                                           .dim = dim,
                                           .page_tokens = Q::page_tokens != 0 ? Q::page_tokens : tokens,
                                           .value_bytes = size};
  bytes memory(tiles.memory_bytes() + 16), values(std::size_t{size} * g.values.size()), shown(values.size());
  words ends(tokens), corrupt(1);
  std::vector<planecast::encoded_tile, typename runner::template allocator<planecast::encoded_tile>> coded(1);
  tiles.bytes = memory.data() + (16 - reinterpret_cast<std::uintptr_t>(memory.data()) % 16) % 16;
  tiles.tail_ends = ends.data();
  tiles.coded = coded.data();
  for (std::uint32_t i = 0; i < g.values.size(); ++i)
    planecast::detail::store_pattern<Number>(values.data(), i, g.values[i]);
  const auto rows = [&](auto* first) {
    return planecast::device_rows<std::remove_pointer_t<decltype(first)>>{
        .first = first, .token = dim, .head = std::ptrdiff_t{dim} * tokens};
  };

  std::string wrong =
      run.template encode<Number>(tiles, rows(static_cast<const std::byte*>(values.data())), false);
  if (wrong.empty() && (coded[0].stored != g.stored || coded[0].bytes != g.tile.size() ||
                        std::memcmp(tiles.tile(0), g.tile.data(), g.tile.size()) != 0))
    wrong = "the encoder writes other bytes";
  for (std::uint32_t planes = 1; planes <= g.shown.size() && wrong.empty(); ++planes) {
    wrong = run.template decode<Number>(tiles, planes, rows(shown.data()), false);
    for (std::uint32_t i = 0; i < g.values.size() && wrong.empty(); ++i)
      if (planecast::detail::load_pattern<Number>(shown.data(), i) != g.shown[planes - 1][i])
        wrong = "another value shown, by planes: " + std::to_string(planes);
  }
  std::fill(shown.begin(), shown.end(), std::byte{0x5A});
  if (wrong.empty())
    wrong = run.template decode_exact<Number>(tiles, rows(shown.data()), corrupt.data(), false);
  if (wrong.empty() && (corrupt[0] != 0 || shown != values))
    wrong = "other values";
  return wrong;
}

/// Of those that the usual quantizers and planes make, the others being left out: their number, and what goes
/// wrong with the first that fails. They lie where PLANECAST_GOLDEN says, which may be an environment
/// variable.
template <class Runner>
std::string golden_trouble(Runner&& run, std::uint32_t& found) {
  const auto by_dtype = [&]<class Q, class Planes>(const golden& g, Q, Planes) -> std::string {
    const auto as = [&]<class Number>(Number) -> std::string {
      if constexpr (Number::bits == 16 || std::is_same_v<Q, planecast::per_token>)
        return golden_trouble_as<Number, Q, Planes>(run, g);
      return "a dtype of 8 bits";
    };
    ++found;
    return g.what.dtype == "bf16"   ? as(planecast::bf16{})
           : g.what.dtype == "fp16" ? as(planecast::fp16{})
           : g.what.dtype == "e4m3" ? as(planecast::e4m3{})
                                    : as(planecast::e5m2{});
  };
  const char* folder = std::getenv("PLANECAST_GOLDEN");
  for (const auto& entry :
       std::filesystem::directory_iterator(folder != nullptr ? folder : PLANECAST_GOLDEN)) {
    const golden g = read_golden(entry.path());
    const std::string& q = g.what.quantizer;
    std::string wrong;
    if (const planecast::planes<4, 4, planecast::tail> standard;
        g.what.planes == std::vector<unsigned>{4, 4, 0})
      wrong = q == "per_channel" ? by_dtype(g, planecast::per_channel<64>{}, standard)
              : q == "per_token" ? by_dtype(g, planecast::per_token{}, standard)
              : q == "balanced"  ? by_dtype(g, planecast::balanced{}, standard)
                                 : "";
    else if (const planecast::planes<4, planecast::tail> few;
             q == "per_token" && g.what.planes == std::vector<unsigned>{4, 0})
      wrong = by_dtype(g, planecast::per_token{}, few);
    if (!wrong.empty())
      return entry.path().filename().string() + ": " + wrong;
  }
  return "";
}

} // namespace planecast_test
