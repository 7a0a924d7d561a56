// Any 16-bit patterns in, as one tile: every prefix keeps to its bound, all of it gives them back bit for
// bit, and no tile is longer than its values and a header.
#include "planecast/code/error_bound.hpp"
#include "planecast/code/tile.hpp"

#include "fuzz/input.hpp"
#include "fuzz/lists.hpp"

#include <cmath>
#include <cstring>

using namespace fuzz;

namespace {

constexpr std::uint16_t guard = 0xA55A;

struct coded {
  std::vector<std::byte> tile;
  std::vector<std::uint32_t> ends;
  pc::encoded_tile what;
};

template <class Backend, class Layout>
coded encoded(pc::number dtype, Layout layout, const std::vector<std::uint16_t>& values) {
  coded c{std::vector<std::byte>(layout.bound()), std::vector<std::uint32_t>(layout.shape.tokens), {}};
  c.what = Backend::encode(dtype, layout, pc::source_rows::of(values.data(), layout.shape.dim), c.tile.data(),
                           c.ends.data());
  FUZZ_CHECK(c.what.bytes <= layout.stored_bytes());
  c.tile.resize(c.what.bytes);
  return c;
}

// A token's values as f wrote them, and nothing behind.
template <class F>
std::vector<std::uint16_t> shown(std::uint32_t dim, F&& f) {
  std::vector<std::uint16_t> row(dim + 1, guard);
  f(row.data());
  FUZZ_CHECK(row.back() == guard);
  row.pop_back();
  return row;
}

template <class Number, pc::quantizer Q, class Planes>
void keeps_to_its_bound(pc::tile_layout<Q, Planes> layout, const coded& c, std::uint32_t token,
                        std::uint32_t planes, const std::uint16_t* values,
                        const std::vector<std::uint16_t>& row) {
  for (std::uint32_t i = 0; i < layout.shape.dim; ++i) {
    FUZZ_CHECK(Number::finite(row[i]));
    if (!Number::finite(values[i]))
      continue;
    const std::uint32_t r = Q::scale_row(layout.shape, token, i);
    const pc::cells<Number, Planes::code_bits> cells{
        pc::detail::load<std::uint16_t>(c.tile.data() + layout.low_at(r)),
        pc::detail::load<std::uint16_t>(c.tile.data() + layout.step_at(r))};
    FUZZ_CHECK(cells.valid());
    const double off =
        static_cast<double>(Number::value(row[i])) - static_cast<double>(Number::value(values[i]));
    FUZZ_CHECK(std::abs(off) <= static_cast<double>(pc::error_bound(cells, Planes::bits_before(planes))));
  }
}

template <class Backend, pc::quantizer Q, class Planes>
void comes_back(pc::number dtype, pc::tile_layout<Q, Planes> layout, const coded& c,
                const std::vector<std::uint16_t>& values) {
  const std::uint32_t dim = layout.shape.dim;
  if (c.what.stored) {
    FUZZ_CHECK(c.tile.size() == layout.stored_bytes());
    FUZZ_CHECK(std::memcmp(c.tile.data() + pc::tile_header_bytes, values.data(), 2 * values.size()) == 0);
    return;
  }
  for (std::uint32_t t = 0; t < layout.shape.tokens; ++t) {
    const std::uint16_t* const original = values.data() + std::size_t{t} * dim;
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) {
      const auto row = shown(dim, [&](auto* out) {
        Backend::decode(dtype, layout, c.tile.data(), t, 1, p, pc::target_rows::of(out, dim));
      });
      pc::with_format(
          dtype, [&]<class Number>(Number) { keeps_to_its_bound<Number>(layout, c, t, p, original, row); });
    }
    if constexpr (Planes::has_tail) {
      const std::uint32_t begin = t == 0 ? 0 : c.ends[t - 1];
      // A copy of just these bytes: a sanitizer sees what is read behind them.
      const std::vector<std::byte> tails(c.tile.begin() + layout.tails_at() + begin,
                                         c.tile.begin() + layout.tails_at() + c.ends[t]);
      std::size_t used = 0;
      const auto row = shown(dim, [&](auto* out) {
        FUZZ_CHECK(Backend::decode_exact(dtype, layout, c.tile.data(), t, 1, tails,
                                         pc::target_rows::of(out, dim), used)
                       .ok());
      });
      FUZZ_CHECK(used == tails.size());
      FUZZ_CHECK(std::equal(row.begin(), row.end(), original));
    }
  }
}

template <class Layout>
void tile(pc::number dtype, Layout layout, const std::vector<std::uint16_t>& values) {
  coded first;
  with_each_backend([&]<class Backend>(std::type_identity<Backend>, std::size_t place) {
    coded c = encoded<Backend>(dtype, layout, values);
    comes_back<Backend>(dtype, layout, c, values);
    if (place == 0)
      first = std::move(c);
    else
      FUZZ_CHECK(c.tile == first.tile && c.ends == first.ends && c.what.stored == first.what.stored);
  });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  with_entry<policies>(in.byte(), [&]<class Policy>(std::type_identity<Policy>) {
    const pc::number dtype = dtypes[in.below(std::size(dtypes))];
    const std::uint32_t dim = 8 * (1 + in.below(in.below(4) == 0 ? 72 : 8));
    const std::uint32_t tokens = 1 + in.below(in.coin() ? Policy::page_tokens : 9);
    std::vector<std::uint16_t> values(std::size_t{tokens} * dim);
    fill(values, in);
    using planes = typename Policy::planes;
    tile(dtype, pc::tile_layout<typename Policy::key_quantizer, planes>{{tokens, dim}}, values);
    tile(dtype, pc::tile_layout<typename Policy::value_quantizer, planes>{{tokens, dim}}, values);
  });
  return 0;
}
