#include "planecast/cpu/attention.hpp"

#include "code/rows.hpp"
#include "support/dice.hpp"
#include "support/engine_arrays.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace cpu_attention_test {

using namespace planecast;
using planecast_test::rounds;

namespace {

// A layer of random shape: keys in an array of any layout, at slots of any order, queries with any strides.
struct layer {
  number dtype = number::bf16;
  std::uint32_t tokens = 1, kv_heads = 1, group = 1, dim = 8, rows = 1;
  attention_options how;
  std::vector<float> keys;    // tokens × KV heads × channels, as the format holds them
  std::vector<float> queries; // rows × query heads × channels, likewise

  std::vector<std::uint16_t> memory, query_memory;
  std::vector<float> query_floats;
  kv_view view;
  query_extents extents;
  bool fp32 = false;
  std::vector<float> lse; // query heads × rows

  [[nodiscard]] std::uint32_t heads() const { return kv_heads * group; }
  [[nodiscard]] std::uint32_t window() const { return std::min(how.window_size, tokens); }
  [[nodiscard]] query_view query() const {
    return fp32 ? query_view(query_floats.data(), extents) : query_view(dtype, query_memory.data(), extents);
  }

  void draw_numbers(test::dice& dice) {
    const auto in_format = [&](float x) {
      return with_format(dtype, [&]<class N>(N) { return N::value(N::nearest(x)); });
    };
    // Some tokens matter to all queries, as sinks do, so that scores are far apart.
    const float size = dice.one_in(4) ? 4.0f : 1.0f;
    keys.resize(std::size_t{tokens} * kv_heads * dim);
    queries.resize(std::size_t{rows} * heads() * dim);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const float bias = dice.one_in(20) ? 0.5f : 0.0f;
      for (std::uint32_t i = 0; i < kv_heads * dim; ++i)
        keys[std::size_t{t} * kv_heads * dim + i] = in_format(dice.gaussian() * size + bias);
    }
    for (float& q : queries)
      q = fp32 ? dice.gaussian() + 0.2f : in_format(dice.gaussian() + 0.2f);
  }
  void draw_memory(test::dice& dice) {
    const auto& kind = test::engine_arrays[dice.below(std::size(test::engine_arrays))];
    test::lengths n{.bs = tokens + dice.below(5), .nh = kv_heads, .hs = dim, .x = 8};
    std::vector<std::int64_t> slots(tokens);
    if (kind.has(axis::block)) {
      n.bs = dice.between(1, 20);
      n.nb = tokens / n.bs + dice.between(1, 3);
    }
    std::vector<std::int64_t> all(n.nb * n.bs);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), dice.engine());
    std::copy_n(all.begin(), tokens, slots.begin());
    const std::size_t gap = dice.one_in(2) ? 0 : dice.below(20);
    memory.assign(kind.size(n, gap), 0x7FC0); // what is nobody's is NaN
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t h = 0; h < kv_heads; ++h)
        for (std::uint32_t c = 0; c < dim; ++c) {
          const auto slot = static_cast<std::size_t>(slots[t]);
          const test::place p{.b = slot / n.bs, .s = slot % n.bs, .h = h, .c = c};
          memory[kind.at(n, gap, p)] = pattern(keys[(std::size_t{t} * kv_heads + h) * dim + c]);
        }
    const auto pieces = kind.placed(n, gap, 0);
    view = kv_view(memory.data() + pieces.keys, pieces.strides, memory.data() + pieces.keys, pieces.strides,
                   token_slots(slots));

    const auto wide = static_cast<std::ptrdiff_t>(dim + dice.below(5));
    extents = {.rows = rows, .heads = heads(), .dim = dim};
    if (const std::uint32_t kind_of_queries = dice.below(3); kind_of_queries == 1) {
      extents.head = wide;
      extents.row = wide * heads() + dice.below(9);
    } else if (kind_of_queries == 2) { // heads first
      extents.row = wide;
      extents.head = wide * rows + dice.below(9);
    }
    const std::ptrdiff_t row = extents.row != 0 ? extents.row : static_cast<std::ptrdiff_t>(heads() * dim);
    const std::ptrdiff_t head = extents.head != 0 ? extents.head : static_cast<std::ptrdiff_t>(dim);
    const auto size = static_cast<std::size_t>((rows - 1) * row + (heads() - 1) * head) + dim;
    query_floats.assign(size, std::numeric_limits<float>::quiet_NaN());
    query_memory.assign(size, 0x7FC0);
    for (std::uint32_t r = 0; r < rows; ++r)
      for (std::uint32_t h = 0; h < heads(); ++h)
        for (std::uint32_t c = 0; c < dim; ++c) {
          const float q = queries[(std::size_t{r} * heads() + h) * dim + c];
          const auto at = static_cast<std::size_t>(r * row + h * head) + c;
          query_floats[at] = q;
          query_memory[at] = fp32 ? std::uint16_t{0} : pattern(q);
        }
  }
  [[nodiscard]] std::uint16_t pattern(float x) const {
    return with_format(dtype, [&]<class N>(N) { return N::nearest(x); });
  }

  explicit layer(unsigned seed) {
    test::dice dice(seed);
    dtype = dice.one_in(2) ? number::bf16 : number::fp16;
    fp32 = dice.one_in(3);
    constexpr std::uint32_t dims[] = {8, 16, 40, 64, 80, 128, 192, 576};
    dim = dims[dice.below(std::size(dims))];
    tokens = dice.one_in(8) ? 1 : dice.one_in(3) ? dice.between(1, 60) : dice.between(1, 400);
    kv_heads = dice.between(1, 3);
    group = dice.between(1, 8);
    how.window_size = dice.one_in(4) ? dice.between(1, 500) : dice.between(1, 40);
    rows = std::min(tokens, window() + (dice.one_in(2) ? 0 : dice.below(10)));
    how.scale = dice.one_in(3) ? 0.3f / std::sqrt(static_cast<float>(dim)) : 0;
    how.head_reduction = dice.one_in(2) ? score_reduction::mean : score_reduction::sum;
    how.window_reduction = dice.one_in(2) ? score_reduction::mean : score_reduction::sum;
    how.kernel_size = dice.one_in(2) ? 0 : 2 * dice.below(5) + 1;
    how.pooling = dice.one_in(2) ? score_pooling::avg : score_pooling::max;
    draw_numbers(dice);
    draw_memory(dice);
  }
};

// The definition, in double, with no care for time. Also gives the layer its softmax_lse.
std::vector<double> by_definition(layer& l) {
  const std::uint32_t n = l.tokens, window = l.window(), heads = l.heads();
  const double scale = l.how.scale > 0 ? double{l.how.scale} : 1 / std::sqrt(double(l.dim));
  std::vector<double> score(n);
  l.lse.assign(std::size_t{heads} * l.rows, std::numeric_limits<float>::quiet_NaN());
  for (std::uint32_t h = 0; h < heads; ++h) {
    std::vector<double> of_head(n);
    for (std::uint32_t i = 0; i < window; ++i) {
      const std::uint32_t row = l.rows - window + i, seen = n - window + i + 1;
      std::vector<double> p(seen);
      for (std::uint32_t t = 0; t < seen; ++t)
        for (std::uint32_t c = 0; c < l.dim; ++c)
          p[t] += scale * double{l.queries[(std::size_t{row} * heads + h) * l.dim + c]} *
                  double{l.keys[(std::size_t{t} * l.kv_heads + h / l.group) * l.dim + c]};
      const double most = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& x : p)
        sum += x = std::exp(x - most);
      l.lse[std::size_t{h} * l.rows + row] = static_cast<float>(most + std::log(sum));
      for (std::uint32_t t = 0; t < seen; ++t)
        of_head[t] += p[t] / sum / (l.how.window_reduction == score_reduction::mean ? window : 1);
    }
    const std::int64_t reach = l.how.kernel_size / 2, border = n - window;
    for (std::int64_t t = 0; t < n; ++t) {
      double pooled = 0;
      for (std::int64_t u = t - reach; u <= t + reach; ++u)
        if (u >= 0 && u < n && (u < border) == (t < border)) {
          const double x = of_head[static_cast<std::size_t>(u)];
          pooled = l.how.pooling == score_pooling::max ? std::max(pooled, x)
                                                       : pooled + x / (2.0 * double(reach) + 1);
        }
      score[static_cast<std::size_t>(t)] +=
          pooled / (l.how.head_reduction == score_reduction::mean ? heads : 1);
    }
  }
  return score;
}

template <class Set>
std::vector<float> computed(const layer& l, const query_view& q) {
  std::vector<float> mass(l.tokens);
  detail::add_attention_mass<Set>(l.view, l.dtype, l.kv_heads, q, l.how, mass);
  return mass;
}

// f for every set that the machine has.
template <class F>
void each_set(F&& f) {
  detail::any_attention_set([&](auto set) {
    f(set);
    return false;
  });
}

// How far a score may be from its definition, in parts of it: what attention_mass states.
constexpr double tolerance = 1e-4;

// Five tokens, two query heads over one KV head; queries are fp32.
layer small() {
  layer l(1);
  l.tokens = 5, l.kv_heads = 1, l.group = 2, l.dim = 8, l.rows = 2, l.dtype = number::bf16, l.fp32 = true;
  l.how = {.window_size = 2};
  test::dice dice(3);
  l.draw_numbers(dice);
  l.draw_memory(dice);
  return l;
}

// What a call of each set throws; empty if one throws nothing.
std::string refused(const layer& l, const query_view& q) {
  std::string why;
  each_set([&]<class Set>(Set) {
    why = "";
    try {
      (void)computed<Set>(l, q);
    } catch (const std::invalid_argument& e) {
      why = e.what();
    }
    CHECK(!why.empty());
  });
  return why;
}
bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("attention: as the definition says, over random layers, by every set") {
  for (unsigned seed = 0; seed < rounds(150, 6); ++seed) {
    CAPTURE(seed);
    layer l(seed);
    const std::vector<double> expected = by_definition(l);
    for (const bool with_lse : {false, true}) {
      CAPTURE(with_lse);
      const query_view q = with_lse ? l.query().with_lse(l.lse.data()) : l.query();
      const auto plain = computed<detail::attention_plain>(l, q);
      each_set([&]<class Set>(Set) {
        CAPTURE(Set::lanes);
        const auto got = computed<Set>(l, q);
        std::uint32_t right = 0; // the first token that is not
        while (right < l.tokens &&
               std::abs(double{got[right]} - expected[right]) <= tolerance * expected[right] + 1e-35 &&
               std::abs(got[right] - plain[right]) <= tolerance * plain[right] + 1e-35)
          ++right;
        REQUIRE(right == l.tokens);
      });
    }
  }
}

TEST_CASE("attention: in parts, where the exponentials take too much memory") {
  for (unsigned seed = 0; seed < rounds(60, 3); ++seed) {
    CAPTURE(seed);
    const layer l(seed);
    each_set([&]<class Set>(Set) {
      const std::vector<float> whole = computed<Set>(l, l.query());
      std::vector<float> parts(l.tokens);
      detail::add_attention_mass<Set>(l.view, l.dtype, l.kv_heads, l.query(), l.how, parts, seed * 10'000);
      for (std::uint32_t t = 0; t < l.tokens; ++t)
        REQUIRE(std::abs(parts[t] - whole[t]) <= 1e-5f * whole[t]);
    });
  }
}

TEST_CASE("attention: the same numbers give the same bits, wherever they lie") {
  for (unsigned seed = 0; seed < rounds(60, 3); ++seed) {
    CAPTURE(seed);
    layer l(seed);
    each_set([&]<class Set>(Set) {
      const std::vector<float> once = computed<Set>(l, l.query());
      test::dice dice(seed + 1000);
      l.draw_memory(dice);
      REQUIRE(computed<Set>(l, l.query()) == once);
    });
  }
}

TEST_CASE("attention: all that a query gives adds up to 1") {
  for (unsigned seed = 0; seed < rounds(60, 3); ++seed) {
    CAPTURE(seed);
    layer l(seed);
    l.how.kernel_size = 0;
    l.how.head_reduction = l.how.window_reduction = score_reduction::mean;
    each_set([&]<class Set>(Set) {
      const std::vector<float> mass = computed<Set>(l, l.query());
      REQUIRE(std::accumulate(mass.begin(), mass.end(), 0.0) == doctest::Approx(1).epsilon(1e-5));
    });
  }
}

// As SnapKV has it: the tokens before the window are a sequence of their own, with zeros before and behind it
// for avg_pool1d, with nothing there for max_pool1d. The numbers are sums of quarters, which fp32 adds up
// exactly.
TEST_CASE("attention: pooling stops where the window begins") {
  const std::vector<float> mass{1, 2, 0.5f, 4, 8, 100, 0.25f, 50, 1000}; // the window is the last three
  const auto pooled = [&](std::uint32_t window, std::uint32_t size, score_pooling how) {
    std::vector<float> to(mass.size());
    detail::add_pooled(mass, window, size, how, static_cast<float>(size), to);
    return to;
  };
  using all = std::vector<float>;
  CHECK(pooled(3, 4 + 1, score_pooling::max) ==
        all{5 * 2, 5 * 4, 5 * 8, 5 * 100, 5 * 100, 5 * 100, 5 * 1000, 5 * 1000, 5 * 1000});
  const auto avg = pooled(3, 3, score_pooling::avg);
  const all sums{3, 3.5f, 6.5f, 12.5f, 112, 108, 50.25f, 1050.25f, 1050};
  for (std::size_t t = 0; t < sums.size(); ++t)
    CHECK(avg[t] == 3 * (sums[t] / 3));
  CHECK(pooled(9, 3, score_pooling::max) ==
        all{6, 6, 12, 24, 300, 300, 300, 3000, 3000}); // all are the window
  CHECK(pooled(20, 3, score_pooling::max) == pooled(9, 3, score_pooling::max));
  CHECK(pooled(3, 1, score_pooling::avg) == mass);
  CHECK(pooled(8, 99, score_pooling::max) == all{99, 99000, 99000, 99000, 99000, 99000, 99000, 99000, 99000});
}

TEST_CASE("attention: it is added to what is there") {
  const layer l = small();
  each_set([&]<class Set>(Set) {
    const std::vector<float> once = computed<Set>(l, l.query());
    std::vector<float> twice = once;
    detail::add_attention_mass<Set>(l.view, l.dtype, l.kv_heads, l.query(), l.how, twice);
    for (std::uint32_t t = 0; t < l.tokens; ++t)
      CHECK(twice[t] == 2 * once[t]);
  });
}

TEST_CASE("attention: far products leave one token all, and the others nothing") {
  layer l = small();
  l.how.scale = 1e4f;
  each_set([&]<class Set>(Set) {
    const std::vector<float> mass = computed<Set>(l, l.query());
    for (const float m : mass) // two heads of two queries: quarters
      CHECK(m * 4 == std::round(m * 4));
    CHECK(std::accumulate(mass.begin(), mass.end(), 0.0f) == 1);
  });
}

TEST_CASE("attention: no tokens, no scores") {
  const query_view none(static_cast<const float*>(nullptr), {.rows = 0, .heads = 2, .dim = 8});
  std::vector<float> mass;
  detail::add_attention_mass<detail::attention_plain>(kv_view(), number::bf16, 1, none, {}, mass);
  CHECK(mass.empty());
}

TEST_CASE("attention: options that mean nothing") {
  layer l = small();
  const auto with = [&](attention_options how) {
    l.how = how;
    return refused(l, l.query());
  };
  CHECK(contains(with({.window_size = 0}), "without queries"));
  CHECK(contains(with({.window_size = 2, .scale = -1}), "scale"));
  CHECK(contains(with({.window_size = 2, .scale = std::numeric_limits<float>::quiet_NaN()}), "scale"));
  CHECK(contains(with({.window_size = 2, .scale = std::numeric_limits<float>::infinity()}), "scale"));
  CHECK(contains(with({.window_size = 2, .kernel_size = 4}), "kernel_size"));
}

TEST_CASE("attention: shapes that do not fit") {
  layer l = small();
  const auto with = [&](std::uint32_t rows, std::uint32_t heads, std::uint32_t dim) {
    return refused(l, query_view(l.query_floats.data(), {.rows = rows, .heads = heads, .dim = dim}));
  };
  CHECK(contains(with(1, 2, 8), "fewer queries"));
  CHECK(contains(with(6, 2, 8), "more than tokens"));
  CHECK(contains(with(2, 0, 8), "query heads"));
  CHECK(contains(with(2, 2, 0), "query heads"));
  l.kv_heads = 0;
  CHECK(contains(with(2, 2, 8), "query heads"));
  l.kv_heads = 2;
  CHECK(contains(with(2, 3, 8), "query heads"));
}

TEST_CASE("attention: a number that is not finite is said, never a score that is none") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const number dtype : {number::fp16, number::bf16})
    for (const std::uint32_t dim : {8u, 24u, 7u}) {
      for (const bool is_nan : {false, true}) {
        const auto infinite = static_cast<std::uint16_t>(dtype == number::fp16 ? 0xFC00 : 0xFF80);
        std::vector<std::uint16_t> keys(std::size_t{3} * dim);
        keys[2 * dim - 1] = static_cast<std::uint16_t>(infinite + (is_nan ? 1 : 0));
        layer l = small();
        l.dtype = dtype, l.tokens = 3;
        l.view = kv_view(keys.data(), kv_strides::nhd(1, dim), keys.data(), kv_strides::nhd(1, dim), 3);
        l.query_floats.assign(2 * 2 * dim, 0.0f);
        const query_view q(l.query_floats.data(), {.rows = 2, .heads = 2, .dim = dim});
        CHECK(contains(refused(l, q), "key of token 1 is not finite"));
      }
    }
  layer l = small();
  l.extents = {.rows = 2, .heads = 2, .dim = 8};
  for (const float bad : {inf, -inf, nan}) {
    l.query_floats.assign(2 * 2 * 8, 1.0f);
    l.query_floats[31] = bad;
    CHECK(contains(refused(l, l.query()), "a query, or its softmax_lse"));
  }
  // Finite, and still: the products are too large for fp32.
  const std::vector<std::uint16_t> keys = {0x7F00, 0xFF00, 0, 0, 0, 0, 0, 0};
  l.tokens = 1;
  l.how.window_size = 1;
  l.view = kv_view(keys.data(), kv_strides::nhd(1, 8), keys.data(), kv_strides::nhd(1, 8), 1);
  l.extents.rows = 1;
  for (const float second : {1e38f, -1e38f, 0.0f}) {
    l.query_floats.assign(2 * 8, 0.0f);
    l.query_floats[0] = l.query_floats[8] = 1e38f;
    l.query_floats[1] = l.query_floats[9] = second;
    CHECK(contains(refused(l, l.query()), "products of queries and keys are not finite"));
  }
}

TEST_CASE("attention: a softmax_lse of something else is seen") {
  layer l = small();
  (void)by_definition(l);
  const auto with = [&](auto&& change) {
    std::vector<float> lse = l.lse;
    for (float& x : lse)
      x = change(x);
    return refused(l, l.query().with_lse(lse.data()));
  };
  CHECK(contains(with([](float x) { return x * 1.442695f; }), "adds up to")); // to the base 2
  CHECK(contains(with([](float x) { return x - 1; }), "adds up to"));
  CHECK(contains(with([](float x) { return x + 300; }), "adds up to"));
  CHECK(contains(with([](float x) { return x - 300; }), "adds up to"));
  CHECK(contains(with([](float) { return std::numeric_limits<float>::infinity(); }), "not finite"));
  CHECK(contains(with([](float x) { return std::sqrt(x - 1000); }), "not finite"));
}

TEST_CASE("attention: softmax_lse in rows that are padded, of more queries than the window has") {
  layer l = small();
  l.rows = 4;
  test::dice dice(5);
  l.draw_numbers(dice);
  l.draw_memory(dice);
  const std::vector<double> expected = by_definition(l);
  std::vector<float> padded(2 * 7, std::numeric_limits<float>::quiet_NaN());
  for (std::uint32_t h = 0; h < 2; ++h)
    std::copy_n(&l.lse[std::size_t{h} * 4], 4, &padded[std::size_t{h} * 7]);
  each_set([&]<class Set>(Set) {
    const std::vector<float> mass = computed<Set>(l, l.query().with_lse(padded.data(), 7));
    for (std::uint32_t t = 0; t < l.tokens; ++t)
      CHECK(mass[t] == doctest::Approx(expected[t]).epsilon(tolerance));
  });
}

TEST_CASE("attention: every 16-bit pattern as a float, and whether it is finite") {
  for (const number dtype : {number::fp16, number::bf16})
    each_set([&]<class Set>(Set) {
      for (std::uint32_t first = 0; first < 65536; first += 32) {
        std::uint16_t in[32];
        float out[32];
        bool finite = true;
        for (std::uint32_t i = 0; i < 32; ++i) {
          in[i] = static_cast<std::uint16_t>(first + i);
          finite = finite && with_format(dtype, [&]<class N>(N) { return N::finite(in[i]); });
        }
        REQUIRE(Set::widen(dtype, in, 32, out) == finite);
        for (std::uint32_t i = 0; i < 32; ++i) {
          const float value = with_format(dtype, [&]<class N>(N) { return N::value(in[i]); });
          REQUIRE((std::isnan(value) ? std::isnan(out[i]) : value == out[i]));
        }
      }
    });
}

TEST_CASE("attention: powers of two, by every set") {
  each_set([&]<class Set>(Set) {
    float from[Set::panel] = {}, sums[Set::panel];
    for (float x = -124.9f; x < 126; x += 0.0173f) {
      float tile[Set::panel];
      std::fill(std::begin(tile), std::end(tile), x);
      Set::exponentials(tile, 1, from, sums);
      for (const float y : tile)
        REQUIRE(std::abs(double{y} / std::exp2(double{x}) - 1) < 4e-7);
    }
    const float hard[] = {
        0, -126, -1e30f, -std::numeric_limits<float>::infinity(), 1, std::numeric_limits<float>::quiet_NaN()};
    float tile[Set::panel] = {};
    std::copy(std::begin(hard), std::end(hard), tile);
    Set::exponentials(tile, 1, from, sums);
    CHECK(tile[0] == 1);
    CHECK(tile[1] == 0);
    CHECK(tile[2] == 0);
    CHECK(tile[3] == 0);
    CHECK(tile[4] == 2);
    CHECK(std::isnan(tile[5]));
    CHECK(std::isnan(sums[5]));
  });
}

} // namespace cpu_attention_test
