// Any bytes as the tiles and rows of a request: a status, never a crash; nothing but the request's own values
// is written; what is refused leaves no trace; what planes of the code show is finite.
#include "planecast/code/assembly.hpp"
#include "planecast/code/coded_cache.hpp"

#include "fuzz/input.hpp"
#include "fuzz/lists.hpp"

#include <utility>

using namespace fuzz;

namespace {

constexpr std::uint16_t untouched = 0x7FFF; // a NaN
constexpr std::uint32_t gap = 3;            // values that nobody owns, behind each head

// An engine's pages, with gaps.
struct pages {
  pages(const pc::geometry& g, std::uint32_t n) : shape(g), tokens(n) {
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      for (const std::uint32_t dim : {shape.key_dim, shape.value_dim})
        arrays.emplace_back(gap + std::size_t{tokens} * shape.heads(l) * (dim + gap), untouched);
  }
  template <class View>
  View view(std::uint32_t l) {
    const auto strides = [&](std::uint32_t dim) {
      return pc::kv_strides{.token = static_cast<std::ptrdiff_t>(shape.heads(l)) * (dim + gap),
                            .head = static_cast<std::ptrdiff_t>(dim + gap)};
    };
    return View(arrays[2 * l].data() + gap, strides(shape.key_dim), arrays[2 * l + 1].data() + gap,
                strides(shape.value_dim), tokens);
  }
  std::vector<pc::kv_pages> views() {
    std::vector<pc::kv_pages> all;
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      all.push_back(view<pc::kv_pages>(l));
    return all;
  }
  std::span<const std::uint16_t> row(std::uint32_t l, bool is_value, std::uint32_t head,
                                     std::uint32_t token) const {
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
            FUZZ_CHECK(a[k] == untouched);
      }
  }

  pc::geometry shape;
  std::uint32_t tokens;
  std::vector<std::vector<std::uint16_t>> arrays;
};

bool all_are(std::span<const std::uint16_t> row, std::uint16_t pattern) {
  return std::all_of(row.begin(), row.end(), [&](std::uint16_t x) { return x == pattern; });
}

// What one backend made of an input.
struct outcome {
  std::vector<pc::errc> said;
  std::vector<std::vector<std::uint16_t>> arrays;
  friend bool operator==(const outcome&, const outcome&) = default;
};

template <class Policy, class Backend>
class run {
public:
  run(pc::tile_map<Policy> map, input in)
      : map_(map), in_(in), to_(map.shape, map.tokens), honest_(map, pc::coding::planes),
        received_(map, to_.views()), codes_(map.count(), true), next_(map.count(), Policy::base_planes) {}

  outcome operator()() {
    pages from(map_.shape, map_.tokens);
    for (auto& a : from.arrays)
      fill(a, in_);
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
          FUZZ_CHECK(all_are(to_.row(l, is_value, head, map_.first_of(page) + i), untouched));
      }
  }

  // Headers and scalars that pass, with planes, or stored values, that are noise.
  std::vector<std::byte> well_formed(std::uint32_t layer, std::uint32_t first, std::uint32_t count) {
    std::vector<std::byte> all;
    filler noise(in_.byte());
    const std::uint32_t low = in_.word(), step = in_.word(), kinds = in_.byte();
    for (std::uint32_t tile = first; tile < first + count; ++tile)
      map_.with_layout(layer, map_.tile(tile), [&](auto layout) {
        const bool stored = noise.next() % 8 < kinds % 3;
        std::vector<std::byte> bytes(stored ? layout.stored_bytes() : layout.plane_at(map_.base_planes(layer)));
        for (std::byte& b : bytes)
          b = static_cast<std::byte>(noise.next());
        std::fill_n(bytes.begin(), pc::tile_header_bytes,
                    std::byte{stored ? std::uint8_t{0xFF} : std::uint8_t{0}});
        std::fill_n(bytes.begin() + 4, pc::tile_header_bytes - 4, std::byte{0});
        for (std::uint32_t r = 0; !stored && r < layout.rows(); ++r) {
          const auto m = static_cast<std::uint16_t>(low ^ (kinds & 8 ? noise.next() & 0x8FFFu : 0u));
          const bool finite =
              pc::with_format(map_.shape.dtype, [&]<class Number>(Number) { return Number::finite(m); });
          const std::uint32_t s = step ^ (kinds & 16 ? noise.next() & 0xFFFu : 0u);
          pc::detail::store(bytes.data() + layout.low_at(r), finite ? m : std::uint16_t{0});
          pc::detail::store(
              bytes.data() + layout.step_at(r),
              static_cast<std::uint16_t>(s % 8 == 0 ? 0 : 0x0D80u + s % (0x7B00u - 0x0D80u + 1)));
        }
        all.insert(all.end(), bytes.begin(), bytes.end());
      });
    (void)layer;
    return all;
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
              FUZZ_CHECK(all_are(row, untouched));
              continue;
            }
            const std::uint32_t tile = map_.index({head, is_value, map_.place(token).page});
            if (codes_[token - map_.first] && !received_.has_stored_tile(l, tile))
              pc::with_format(map_.shape.dtype, [&]<class Number>(Number) {
                for (const std::uint16_t x : row)
                  FUZZ_CHECK(Number::finite(x));
              });
          }
  }

  static constexpr std::uint32_t planes_above =
      Policy::planes::count > Policy::base_planes ? Policy::planes::count - Policy::base_planes : 1;

  pc::tile_map<Policy> map_;
  input in_;
  pages to_;
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
    outcome first;
    with_each_backend([&]<class Backend>(std::type_identity<Backend>, std::size_t place) {
      outcome o = run<Policy, Backend>(map, in)();
      if (place == 0)
        first = std::move(o);
      else
        FUZZ_CHECK(o == first);
    });
  });
  return 0;
}
