// Any patterns in, as one tile: every prefix keeps to its bound, all of it gives them back bit for
// bit, and no tile is longer than its values and a header.
#include "planecast/code/error_bound.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/tile.hpp"

#include "fuzz/input.hpp"
#include "fuzz/lists.hpp"

#include <cmath>
#include <cstring>

using namespace fuzz;

namespace {

constexpr std::uint8_t guard = 0xA5;

struct coded {
  std::vector<std::byte> tile;
  std::vector<std::uint32_t> ends;
  pc::encoded_tile what;
};

template <class Backend, class Layout, class Value>
coded encoded(pc::number dtype, Layout layout, const std::vector<Value>& values) {
  coded c{std::vector<std::byte>(layout.bound()), std::vector<std::uint32_t>(layout.shape.tokens), {}};
  c.what = Backend::encode(dtype, layout, pc::source_rows::of(values.data(), layout.shape.dim), c.tile.data(),
                           c.ends.data());
  FUZZ_CHECK(c.what.bytes <= layout.stored_bytes());
  c.tile.resize(c.what.bytes);
  return c;
}

// A token's values as f wrote them, and nothing behind.
template <class Value, class F>
std::vector<Value> shown(std::uint32_t dim, F&& f) {
  std::vector<Value> row(dim + 1, guard);
  f(row.data());
  FUZZ_CHECK(row.back() == guard);
  row.pop_back();
  return row;
}

template <class Number, class Value, pc::quantizer Q, class Planes>
void keeps_to_its_bound(pc::tile_layout<Q, Planes> layout, const coded& c, std::uint32_t token,
                        std::uint32_t planes, const Value* values, const std::vector<Value>& row) {
  for (std::uint32_t i = 0; i < layout.shape.dim; ++i) {
    FUZZ_CHECK(Number::finite(row[i]));
    if (!Number::finite(values[i]))
      continue;
    const auto ruler = pc::ruler_of<Number>(layout, c.tile.data(), token, i);
    const double off =
        static_cast<double>(Number::value(row[i])) - static_cast<double>(Number::value(values[i]));
    FUZZ_CHECK(std::abs(off) <= static_cast<double>(pc::error_bound(ruler, Planes::bits_before(planes))));
  }
}

template <class Backend, class Value, pc::quantizer Q, class Planes>
void comes_back(pc::number dtype, pc::tile_layout<Q, Planes> layout, const coded& c,
                const std::vector<Value>& values) {
  const std::uint32_t dim = layout.shape.dim;
  if (c.what.stored) {
    FUZZ_CHECK(c.tile.size() == layout.stored_bytes());
    FUZZ_CHECK(std::memcmp(c.tile.data() + pc::tile_header_bytes, values.data(),
                           sizeof(Value) * values.size()) == 0);
    return;
  }
  FUZZ_CHECK(!layout.always_stored());
  pc::with_format(
      dtype, [&]<class Number>(Number) { FUZZ_CHECK(pc::valid_scalars<Number>(layout, c.tile.data())); });
  for (std::uint32_t t = 0; t < layout.shape.tokens; ++t) {
    const Value* const original = values.data() + std::size_t{t} * dim;
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) {
      const auto row = shown<Value>(dim, [&](auto* out) {
        Backend::decode(dtype, layout, c.tile.data(), t, 1, p, pc::target_rows::of(out, dim));
      });
      pc::with_format(dtype, [&]<class Number>(Number) {
        if constexpr (Number::bits == 8 * sizeof(Value))
          keeps_to_its_bound<Number>(layout, c, t, p, original, row);
      });
    }
    if constexpr (Planes::has_tail) {
      const std::uint32_t begin = t == 0 ? 0 : c.ends[t - 1];
      // A copy of just these bytes: a sanitizer sees what is read behind them.
      const std::vector<std::byte> tails(c.tile.begin() + layout.tails_at() + begin,
                                         c.tile.begin() + layout.tails_at() + c.ends[t]);
      std::size_t used = 0;
      const auto row = shown<Value>(dim, [&](auto* out) {
        FUZZ_CHECK(Backend::decode_exact(dtype, layout, c.tile.data(), t, 1, tails,
                                         pc::target_rows::of(out, dim), used)
                       .ok());
      });
      FUZZ_CHECK(used == tails.size());
      FUZZ_CHECK(std::equal(row.begin(), row.end(), original));
    }
  }
}

template <class Layout, class Value>
void tile(pc::number dtype, Layout layout, const std::vector<Value>& values) {
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
    with_value(dtype, [&]<class Value>(Value) {
      std::vector<Value> values(std::size_t{tokens} * dim);
      fill(std::span(values), in);
      Policy::with_each([&]<class Layer>(Layer) {
        using planes = typename Layer::planes;
        const std::uint32_t bytes = sizeof(Value);
        tile(dtype, pc::tile_layout<typename Layer::key_quantizer, planes>{{tokens, dim}, bytes}, values);
        tile(dtype, pc::tile_layout<typename Layer::value_quantizer, planes>{{tokens, dim}, bytes}, values);
      });
    });
  });
  return 0;
}
