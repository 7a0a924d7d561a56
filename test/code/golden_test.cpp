// What goes on the wire, pinned: the encoder still writes these bytes, and a decoder that shares no code with
// the library reads from them what the library reads.
#include "planecast/cpu/cpu.hpp"

#include "code/golden.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>
#include <vector>

namespace code_golden_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

template <class Number, class Q, class Planes>
void check(const golden& g) {
  const pc::tile_layout<Q, Planes> layout{
      {static_cast<std::uint32_t>(g.what.tokens), static_cast<std::uint32_t>(g.what.dim)},
      pc::value_bytes(Number::id)};
  const auto step = static_cast<std::ptrdiff_t>(layout.value_bytes * layout.shape.dim);
  REQUIRE(g.values.size() == layout.shape.values());
  std::vector<std::byte> tile(layout.bound());
  std::vector<std::uint32_t> ends(layout.shape.tokens);
  std::vector<std::byte> rows(g.values.size() * layout.value_bytes);
  for (std::uint32_t i = 0; i < g.values.size(); ++i)
    pc::detail::store_pattern<Number>(rows.data(), i, g.values[i]);
  const pc::encoded_tile coded =
      pc::cpu::encode(Number::id, layout, pc::source_rows{rows.data(), step}, tile.data(), ends.data());
  std::vector<std::uint8_t> bytes;
  for (std::uint32_t i = 0; i < coded.bytes; ++i)
    bytes.push_back(std::to_integer<std::uint8_t>(tile[i]));
  CHECK(coded.stored == g.stored);
  CHECK(bytes == g.tile);

  const independent::decoder decoder(g.what, g.tile);
  CHECK(decoder.stored() == g.stored);
  if (Planes::has_tail || g.stored)
    CHECK(decoder.exact() == g.values);
  REQUIRE(g.shown.size() == (g.stored ? 0 : Planes::fixed));
  for (std::uint32_t p = 1; p <= Planes::fixed && !g.stored; ++p) {
    std::vector<std::uint16_t> shown(g.values.size());
    pc::cpu::decode(Number::id, layout, tile.data(), 0, layout.shape.tokens, p,
                    pc::target_rows{rows.data(), step});
    for (std::uint32_t i = 0; i < shown.size(); ++i)
      shown[i] = pc::detail::load_pattern<Number>(rows.data(), i);
    CAPTURE(p);
    CHECK(shown == g.shown[p - 1]);
    CHECK(decoder.prefix(p) == shown);
  }
}

template <class Planes, class Q>
void check_as(const golden& g) {
  const auto as = [&]<class Number>(Number) {
    if constexpr (Planes::code_bits <= 4 || Number::bits == 16 || Planes::width(0) == 4)
      check<Number, Q, Planes>(g);
    else
      CHECK(g.what.dtype == "of 16 bits");
  };
  if (g.what.dtype == "bf16")
    as(pc::bf16{});
  else if (g.what.dtype == "fp16")
    as(pc::fp16{});
  else if (g.what.dtype == "e4m3")
    as(pc::e4m3{});
  else
    as(pc::e5m2{});
}
template <class Planes>
bool check_if(const golden& g, const std::vector<unsigned>& planes) {
  if (g.what.planes != planes)
    return false;
  const std::string& q = g.what.quantizer;
  if (q == "per_channel")
    check_as<Planes, pc::per_channel<64>>(g);
  else if (q == "per_token")
    check_as<Planes, pc::per_token>(g);
  else if constexpr (Planes::has_tail && Planes::width(0) == 4) { // the usual planes of each dtype
    if (q == "channel_groups")
      check_as<Planes, pc::per_channel_groups<32, 16>>(g);
    else if (q == "token_groups")
      check_as<Planes, pc::per_token_groups<24>>(g);
    else if (q == "balanced")
      check_as<Planes, pc::balanced>(g);
    else if (q == "verbatim")
      check_as<Planes, pc::verbatim>(g);
    else
      return false;
  } else
    return false;
  return true;
}

} // namespace

TEST_CASE("golden: the encoder writes these bytes, and an independent decoder reads them") {
  int files = 0, stored = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PLANECAST_GOLDEN)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const golden g = read_golden(entry.path());
    const bool known =
        check_if<pc::planes<4, 4, pc::tail>>(g, {4, 4, 0}) ||
        check_if<pc::planes<2, 2, 2, 2, pc::tail>>(g, {2, 2, 2, 2, 0}) ||
        check_if<pc::planes<8, pc::tail>>(g, {8, 0}) || check_if<pc::planes<2, pc::tail>>(g, {2, 0}) ||
        check_if<pc::planes<2, 2, pc::tail>>(g, {2, 2, 0}) || check_if<pc::planes<4>>(g, {4}) ||
        check_if<pc::planes<4, pc::tail>>(g, {4, 0}) || check_if<pc::planes<4, 4>>(g, {4, 4});
    CHECK(known);
    ++files;
    stored += g.stored ? 1 : 0;
  }
  CHECK(files == 70);
  CHECK(stored == 20);
}

} // namespace code_golden_test
