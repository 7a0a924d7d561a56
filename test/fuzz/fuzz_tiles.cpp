// Any bytes as the tiles and rows of a request: a status, never a crash; nothing but the request's own values
// is written; what is refused leaves no trace; what planes of the code show is finite.
#include "planecast/code/assembly.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/code/scalars.hpp"

#include "fuzz/input.hpp"
#include "fuzz/lists.hpp"

#include <utility>

using namespace fuzz;

namespace {

template <class Value>
constexpr auto untouched = static_cast<Value>(static_cast<Value>(-1) / 2); // a NaN, in all formats
constexpr std::uint32_t gap = 3; // values that nobody owns, behind each head

// An engine's pages, with gaps.
template <class Value>
struct pages {
  pages(const pc::geometry& g, std::uint32_t n) : shape(g), tokens(n) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      for (const std::uint32_t dim : {shape.key_dim, shape.value_dim})
        arrays.emplace_back(gap + std::size_t{tokens} * shape.heads(l) * (dim + gap), untouched<Value>);
  }
  template <class View>
  View view(std::uint32_t l) {
    const auto strides = [&](std::uint32_t dim) {
      return pc::kv_strides{.token = static_cast<std::ptrdiff_t>(shape.heads(l)) * (dim + gap),
                            .head = static_cast<std::ptrdiff_t>(dim + gap)};
    };
    const View wide(arrays[2 * l].data() + gap, strides(shape.key_dim), arrays[2 * l + 1].data() + gap,
                    strides(shape.value_dim), tokens);
    return sizeof(Value) == 1 ? wide.fp8() : wide;
  }
  std::vector<pc::kv_pages> views() {
    std::vector<pc::kv_pages> all;
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      all.push_back(view<pc::kv_pages>(l));
    return all;
  }
  std::span<const Value> row(std::uint32_t l, bool is_value, std::uint32_t head, std::uint32_t token) const {
    const std::uint32_t dim = is_value ? shape.value_dim : shape.key_dim;
    return std::span(arrays[2 * l + is_value])
        .subspan(gap + (std::size_t{token} * shape.heads(l) + head) * (dim + gap), dim);
  }
  // Values that belong to nobody: before the first head, and behind each.
  void gaps_are_untouched() const {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      for (const bool is_value : {false, true}) {
        const auto& a = arrays[2 * l + is_value];
        const std::uint32_t dim = is_value ? shape.value_dim : shape.key_dim;
        for (std::size_t i = 0; i < a.size(); i += i == 0 ? gap : dim + gap)
          for (std::size_t k = i == 0 ? 0 : i + dim; k < (i == 0 ? gap : i + dim + gap); ++k)
            FUZZ_CHECK(a[k] == untouched<Value>);
      }
  }

  pc::geometry shape;
  std::uint32_t tokens;
  std::vector<std::vector<Value>> arrays;
};

template <class Value>
bool is_untouched(std::span<const Value> row) {
  return std::all_of(row.begin(), row.end(), [&](Value x) { return x == untouched<Value>; });
}

// What one backend made of an input.
template <class Value>
struct outcome {
  std::vector<pc::errc> said;
  std::vector<std::vector<Value>> arrays;
  friend bool operator==(const outcome&, const outcome&) = default;
};

template <class Policy, class Value, class Backend>
class run {
public:
  run(pc::tile_map<Policy> map, input in)
      : map_(map), in_(in), to_(map.shape, map.tokens), honest_(map, pc::coding::planes),
        received_(map, to_.views()), codes_(map.count(), true), next_(map.count(), Policy::base_planes) {}

  outcome<Value> operator()() {
    pages<Value> from(map_.shape, map_.tokens);
    for (auto& a : from.arrays)
      fill(std::span(a), in_);
    for (std::uint32_t l = 0; l < map_.shape.layers; ++l)
      honest_.put(l, from.template view<pc::kv_view>(l));
    for (std::uint32_t i = 0; i < 24 && !in_.empty(); ++i)
      if (in_.below(4) != 0 || !received_.base_complete())
        base();
      else if (!upgrade())
        break;
    for (std::uint32_t l = 0; l < map_.shape.layers;
         ++l) // whatever was refused: the rest, so that there is more to see
      for (std::uint32_t tile = 0; tile < map_.tiles(l); ++tile)
        if (!received_.has_tile(l, tile))
          FUZZ_CHECK(received_.place_base(l, tile, 1, given_base(l, tile, 1)).ok());
    FUZZ_CHECK(received_.base_complete());
    while (!in_.empty() && upgrade())
      ;
    only_its_own_was_written();
    return {std::move(said_), std::move(to_.arrays)};
  }

private:
  std::vector<std::byte> given_base(std::uint32_t l, std::uint32_t first, std::uint32_t count) const {
    std::vector<std::byte> all;
    honest_.give_base(l, first, count, [&](auto part) { all.insert(all.end(), part.begin(), part.end()); });
    return all;
  }

  void base() {
    std::uint32_t layer = in_.below(map_.shape.layers), tiles = map_.tiles(layer);
    std::uint32_t first = in_.below(tiles), count = 1 + in_.below(tiles - first);
    std::vector<std::byte> bytes;
    switch (in_.below(4)) {
    case 0: // as they should be
      bytes = given_base(layer, first, count);
      break;
    case 1:
      bytes = given_base(layer, first, count);
      spoil(bytes, in_);
      break;
    case 2: // of the right form, and no more than that
      bytes = well_formed(layer, first, count);
      spoil(bytes, in_);
      break;
    default:
      bytes.resize(in_.word());
      for (std::byte& b : bytes)
        b = static_cast<std::byte>(in_.byte());
      if (in_.below(4) == 0) {
        layer = in_.number<std::uint32_t>();
        first = in_.number<std::uint32_t>();
        count = in_.number<std::uint32_t>();
      }
    }
    // A copy of just these bytes: a sanitizer sees what is read behind them.
    const std::vector<std::byte> exactly(bytes);
    const pc::status s = received_.place_base(layer, first, count, exactly);
    FUZZ_CHECK(s.ok() || s == pc::errc::corrupt);
    said_.push_back(s.code);
    if (!s.ok())
      what_is_missing_is_untouched();
  }

  void what_is_missing_is_untouched() const {
    for (std::uint32_t l = 0; l < map_.shape.layers; ++l)
      for (std::uint32_t tile = 0; tile < map_.tiles(l); ++tile) {
        const auto [head, is_value, page] = map_.tile(tile);
        for (std::uint32_t i = 0; !received_.has_tile(l, tile) && i < map_.tokens_of(page); ++i)
          FUZZ_CHECK(is_untouched(to_.row(l, is_value, head, map_.first_of(page) + i)));
      }
  }

  // Headers and scalars that pass, with planes, or stored values, that are noise.
  std::vector<std::byte> well_formed(std::uint32_t layer, std::uint32_t first, std::uint32_t count) {
    std::vector<std::byte> all;
    filler noise(in_.byte());
    const std::uint32_t low = in_.word(), step = in_.word(), kinds = in_.byte();
    for (std::uint32_t tile = first; tile < first + count; ++tile)
      map_.with_layout(layer, map_.tile(tile), [&](auto layout) {
        const bool stored = noise.next() % 8 < kinds % 3 || layout.always_stored();
        std::vector<std::byte> bytes(stored ? layout.stored_bytes()
                                            : layout.plane_at(map_.base_planes(layer)));
        for (std::byte& b : bytes)
          b = static_cast<std::byte>(noise.next());
        std::fill_n(bytes.begin(), pc::tile_header_bytes,
                    std::byte{stored ? std::uint8_t{0xFF} : std::uint8_t{0}});
        std::fill_n(bytes.begin() + 4, pc::tile_header_bytes - 4, std::byte{0});
        if (!stored)
          pc::with_format(map_.shape.dtype, [&]<class Number>(Number) {
            for (std::uint32_t r = 0; r < layout.rows(); ++r) {
              const std::uint32_t m = low ^ (kinds & 8 ? noise.next() & 0x8FFFu : 0u);
              const std::uint32_t s = step ^ (kinds & 16 ? noise.next() & 0xFFFu : 0u);
              scalars<Number>(layout, bytes.data(), r, m, s % 8 == 0 ? 0 : s);
            }
            FUZZ_CHECK(pc::valid_scalars<Number>(layout, bytes.data()));
          });
        all.insert(all.end(), bytes.begin(), bytes.end());
      });
    return all;
  }

  // Writes a row's scalars: those that are meant, or the nearest good use of them.
  template <class Number, pc::quantizer Q, class Planes>
  static void scalars(pc::tile_layout<Q, Planes> layout, std::byte* tile, std::uint32_t row, std::uint32_t m,
                      std::uint32_t s) {
    // Among patterns of bf16, from the least step that is allowed to the greatest.
    const auto among = [&](std::uint32_t least, std::uint32_t greatest) {
      return static_cast<std::uint16_t>(s == 0 ? 0 : least + s % (greatest - least + 1));
    };
    if constexpr (pc::balancing_quantizer<Q>) {
      using balance = pc::balanced_cells<Number, Planes::code_bits>;
      typename balance::extent narrowest, widest;
      narrowest.least = narrowest.greatest = 0;
      widest.least = -0x8000;
      widest.greatest = 0x7FFF;
      narrowest.not_zero = widest.not_zero = true;
      balance least, greatest;
      least.fit(narrowest);
      greatest.fit(widest);
      pc::detail::store(tile + layout.step_at(row), among(least.step, greatest.step));
      pc::detail::store(tile + layout.low_at(row), static_cast<std::uint16_t>(s == 0 ? 0 : m));
      for (std::uint32_t c = 0; c < layout.shape.dim; ++c)
        if (!balance{0, 0, static_cast<std::int8_t>(tile[layout.exponent_at(c)])}.valid())
          tile[layout.exponent_at(c)] =
              static_cast<std::byte>(static_cast<std::uint8_t>(balance::no_exponent));
    } else {
      using cells = pc::cells<Number, Planes::code_bits>;
      const auto pattern = static_cast<std::uint16_t>(m & (2 * Number::sign - 1));
      pc::detail::store(tile + layout.low_at(row), Number::finite(pattern) ? pattern : std::uint16_t{0});
      pc::detail::store(tile + layout.step_at(row), among(cells::least_step, cells::greatest_step));
    }
  }

  // False once something was refused: nothing may be placed then.
  bool upgrade() {
    const std::uint32_t plane =
        Policy::base_planes + in_.below(Policy::planes::count - Policy::base_planes + 1) % planes_above;
    std::vector<std::uint32_t> tokens;
    const std::uint32_t begin = in_.below(map_.count()), step = 1 + in_.below(5), most = in_.below(64);
    for (std::uint32_t i = begin; i < map_.count() && tokens.size() <= most; i += step)
      if (next_[i] == plane)
        tokens.push_back(map_.first + i);
    std::vector<std::byte> bytes;
    honest_.give_upgrade(plane, tokens,
                         [&](auto part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
    switch (in_.below(4)) {
    case 0:
      break;
    case 1:
      spoil(bytes, in_);
      break;
    case 2:
      std::fill(bytes.begin(), bytes.end(), static_cast<std::byte>(in_.byte()));
      spoil(bytes, in_);
      break;
    default:
      bytes.resize(in_.word());
      for (std::byte& b : bytes)
        b = static_cast<std::byte>(in_.byte());
    }
    const std::vector<std::byte> exactly(bytes);
    const pc::status s = received_.place_upgrade(plane, tokens, exactly);
    FUZZ_CHECK(s.ok() || s == pc::errc::corrupt);
    said_.push_back(s.code);
    for (const std::uint32_t token : tokens) {
      const std::uint32_t i = token - map_.first;
      codes_[i] =
          codes_[i] && plane < Policy::planes::fixed; // else some of its rows are exact, and may be anything
      next_[i] += s.ok() ? 1 : 0;
      FUZZ_CHECK(received_.planes_held(token) == next_[i]); // what is refused does not count
    }
    return s.ok();
  }

  void only_its_own_was_written() const {
    to_.gaps_are_untouched();
    for (std::uint32_t l = 0; l < map_.shape.layers; ++l)
      for (std::uint32_t head = 0; head < map_.shape.heads(l); ++head)
        for (const bool is_value : {false, true})
          for (std::uint32_t token = 0; token < map_.tokens; ++token) {
            const auto row = to_.row(l, is_value, head, token);
            if (token < map_.first) {
              FUZZ_CHECK(is_untouched(row));
              continue;
            }
            const std::uint32_t tile = map_.index({head, is_value, map_.place(token).page});
            if (codes_[token - map_.first] && !received_.has_stored_tile(l, tile))
              pc::with_format(map_.shape.dtype, [&]<class Number>(Number) {
                for (const Value x : row)
                  FUZZ_CHECK(Number::finite(x));
              });
          }
  }

  static constexpr std::uint32_t planes_above =
      Policy::planes::count > Policy::base_planes ? Policy::planes::count - Policy::base_planes : 1;

  pc::tile_map<Policy> map_;
  input in_;
  pages<Value> to_;
  pc::coded_cache<Policy, pc::cpu> honest_;
  pc::assembly<Policy, Backend> received_;
  std::vector<bool> codes_;         // by token: no more than planes of the code were placed
  std::vector<std::uint32_t> next_; // by token: the plane that comes next
  std::vector<pc::errc> said_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  with_entry<policies>(in.byte(), [&]<class Policy>(std::type_identity<Policy>) {
    constexpr std::uint32_t rests[] = {0, 1, 6, 7, 63, 2, 8, 33};
    const bool wide = in.below(8) == 0;
    const auto dim = [&] { return 8 * (1 + in.below(wide ? 72 : 6)); };
    pc::geometry g{.dtype = dtypes[in.below(std::size(dtypes))], .layers = 1 + in.below(wide ? 1 : 2)};
    g.kv_heads = 1 + in.below(wide ? 1 : 2);
    g.key_dim = dim();
    g.value_dim = dim();
    const std::uint32_t whole = in.below(wide ? 2 : 3), rest = rests[in.below(8)];
    const std::uint32_t tokens = std::max(1u, whole * Policy::page_tokens + rest);
    const pc::tile_map<Policy> map{g, tokens, in.coin() ? in.below(tokens) : 0};
    with_value(g.dtype, [&]<class Value>(Value) {
      outcome<Value> first;
      with_each_backend([&]<class Backend>(std::type_identity<Backend>, std::size_t place) {
        outcome<Value> o = run<Policy, Value, Backend>(map, in)();
        if (place == 0)
          first = std::move(o);
        else
          FUZZ_CHECK(o == first);
      });
    });
  });
  return 0;
}
