#include "planecast/code/assembly.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/cpu/plain.hpp"

#include "code/caches.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace code_scalars_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using planes = pc::planes<4, pc::tail>;

template <class Q>
std::vector<std::byte> coded(pc::tile_layout<Q, planes> layout) {
  random_source random(first_seed());
  std::vector<std::uint8_t> values;
  for (std::uint32_t i = 0; i < layout.shape.values(); ++i)
    values.push_back(static_cast<std::uint8_t>(pc::e4m3::nearest(static_cast<float>(6 + random.gaussian()))));
  std::vector<std::byte> tile(layout.bound());
  std::vector<std::uint32_t> ends(layout.shape.tokens);
  CHECK(!pc::plain_cpu::encode(pc::number::fp8_e4m3, layout,
                               pc::source_rows::of(values.data(), layout.shape.dim), tile.data(), ends.data())
             .stored);
  return tile;
}

} // namespace

TEST_CASE("scalars: the cells of a value are those of its row, and of its channel if tiles are balanced") {
  const pc::tile_layout<pc::per_token, planes> rows{{4, 128}, 1};
  const auto tile = coded(rows);
  CHECK(pc::valid_scalars<pc::e4m3>(rows, tile.data()));
  const pc::cells<pc::e4m3, 4> second{pc::detail::load<std::uint16_t>(tile.data() + rows.low_at(1)),
                                      pc::detail::load<std::uint16_t>(tile.data() + rows.step_at(1))};
  for (std::uint32_t q = 0; q <= 16; ++q)
    CHECK(pc::ruler_of<pc::e4m3>(rows, tile.data(), 1, 77).first(q) == second.first(q));

  const pc::tile_layout<pc::balanced, planes> balanced{{32, 128}, 1};
  auto other = coded(balanced);
  CHECK(pc::valid_scalars<pc::e4m3>(balanced, other.data()));
  CHECK(balanced.plane_at(0) == 16 + 4 * 32 + 128);
  other[balanced.exponent_at(5)] = std::byte{3};
  const pc::balanced_cells<pc::e4m3, 4> there{
      static_cast<std::int16_t>(pc::detail::load<std::uint16_t>(other.data() + balanced.low_at(9))),
      pc::detail::load<std::uint16_t>(other.data() + balanced.step_at(9)), 3};
  for (std::uint32_t q = 0; q <= 16; ++q)
    CHECK(pc::ruler_of<pc::e4m3>(balanced, other.data(), 9, 5).first(q) == there.on_line().first(q));
}

TEST_CASE("scalars: what no encoder writes is not valid") {
  const pc::tile_layout<pc::per_token, planes> rows{{4, 128}, 1};
  auto tile = coded(rows);
  tile[rows.low_at(2) + 1] = std::byte{1}; // a pattern of more than 8 bits
  CHECK(!pc::valid_scalars<pc::e4m3>(rows, tile.data()));
  tile = coded(rows);
  tile[rows.low_at(3)] = std::byte{0x7F}; // a NaN
  CHECK(!pc::valid_scalars<pc::e4m3>(rows, tile.data()));
  CHECK(!pc::valid_scalars<pc::e5m2>(rows, tile.data()));

  const pc::tile_layout<pc::balanced, planes> balanced{{32, 128}, 1};
  for (const auto& [at, value] : {std::pair{balanced.exponent_at(127), 0x7D}, // 125
                                  {balanced.exponent_at(0), 0x9F},            // −97
                                  {balanced.step_at(31) + 1, 0x80},           // a step below zero
                                  {balanced.step_at(0) + 1, 0x7F}}) {
    auto other = coded(balanced);
    other[at] = static_cast<std::byte>(value);
    CHECK(!pc::valid_scalars<pc::e4m3>(balanced, other.data()));
  }
  const pc::tile_layout<pc::verbatim, planes> none{{4, 128}, 1};
  const std::vector<std::byte> zeros(none.bound());
  CHECK(!pc::valid_scalars<pc::e4m3>(none, zeros.data()));
}

TEST_CASE("scalars: hostile bases of balanced and verbatim tiles are corrupt, and nothing else happens") {
  using policy =
      pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::balanced>, pc::values<pc::verbatim>>;
  const pc::geometry shape{
      .dtype = pc::number::bf16, .layers = 1, .kv_heads = 1, .key_dim = 64, .value_dim = 32};
  random_source random(first_seed());
  test_cache cache(shape, 40), pages(shape, 40);
  cache.each_of_first(40, [&](std::uint16_t& x) { x = nearest<pc::bf16>(random.gaussian()); });
  pc::coded_cache<policy, pc::plain_cpu> sent({shape, 40}, pc::coding::planes);
  sent.put(0, cache.view<pc::kv_view>(0));
  std::vector<std::byte> base;
  sent.give_base(0, 0, 2, [&](std::span<const std::byte> piece) {
    base.insert(base.end(), piece.begin(), piece.end());
  });
  const auto place = [&](const std::vector<std::byte>& bytes) {
    pc::assembly<policy, pc::plain_cpu> received({shape, 40}, pages.pages());
    return received.place_base(0, 0, 2, bytes);
  };
  CHECK(place(base).ok());
  CHECK(pages.values == cache.values); // verbatim: exact from the base on
  const std::size_t values_at = sent.base_bytes(0, 0);
  auto claims_to_be_coded = base;
  claims_to_be_coded[values_at] = std::byte{0};
  CHECK(place(claims_to_be_coded) == pc::errc::corrupt);
  std::uint32_t corrupt = 0;
  for (std::uint32_t k = 0; k < rounds(2000, 500); ++k) {
    auto turned = base;
    for (std::uint32_t i = 0; i <= random.below(4); ++i)
      turned[random.below(static_cast<std::uint32_t>(turned.size()))] ^=
          static_cast<std::byte>(1 + random.below(255));
    if (random.below(4) == 0)
      turned.erase(turned.end() - random.below(100), turned.end());
    const pc::status s = place(turned);
    CHECK((s.ok() || s == pc::errc::corrupt));
    corrupt += s.ok() ? 0 : 1;
  }
  CHECK(corrupt > 100);
}

} // namespace code_scalars_test
