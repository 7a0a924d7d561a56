// Attention mass of random layers by a runner, beside the CPU's.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/query_view.hpp"
#include "planecast/code/value_rows.hpp"
#include "planecast/cpu/attention.hpp"
#include "planecast/cpu/attention_plain.hpp"
#include "planecast/cuda/device_attention.hpp"

#include "code/rows.hpp"
#include "cuda/engine_array.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// Any shape of up to so many tokens.
inline planecast::device_attention attention_shape(random_source& random, std::uint32_t most_tokens) {
  using namespace planecast;
  constexpr std::uint32_t dims[] = {8, 16, 24, 64, 72, 128, 256};
  device_attention a;
  a.queries.dim = dims[random.below(std::size(dims))];
  a.tokens = random.below(8) == 0 ? 1 : 1 + random.below(random.coin() ? 60 : most_tokens);
  a.kv_heads = 1 + random.below(3);
  a.queries.heads = a.kv_heads * (1 + random.below(random.below(4) == 0 ? 12 : 4));
  a.how.window_size = random.below(4) == 0 ? 1 + random.below(150) : 1 + random.below(40);
  const std::uint32_t window = std::min(a.how.window_size, a.tokens);
  a.queries.rows = std::min(a.tokens, window + (random.coin() ? 0 : random.below(10)));
  a.how.scale = random.below(3) == 0 ? 0.3f / std::sqrt(static_cast<float>(a.queries.dim)) : 0;
  a.how.head_reduction = random.coin() ? score_reduction::mean : score_reduction::sum;
  a.how.window_reduction = random.coin() ? score_reduction::mean : score_reduction::sum;
  a.how.kernel_size = random.coin() ? 0 : 2 * random.below(5) + 1;
  a.how.pooling = random.coin() ? score_pooling::avg : score_pooling::max;
  return a;
}

/// A layer in memory that the runner reaches, and the CPU's view of the same numbers. With Wide queries are
/// fp32, and Query is the format that they are multiplied in.
template <class Key, class Query, template <class> class Allocator, bool Wide = false>
struct attention_layer {
  using query_number = std::conditional_t<Wide, float, std::uint16_t>;

  planecast::device_attention is;
  engine_array<Allocator> keys;
  std::vector<query_number, Allocator<query_number>> queries;
  std::vector<float, Allocator<float>> lse;
  std::vector<std::uint16_t> plain_keys; // tokens × KV heads × channels, of the queries' format

  attention_layer(random_source& random, std::uint32_t most_tokens)
      : attention_layer(random, attention_shape(random, most_tokens)) {}
  attention_layer(random_source& random, const planecast::device_attention& of_shape)
      : is(as_stored(of_shape)),
        keys(is.tokens, is.kv_heads, is.queries.dim, planecast::value_bytes(Key::id), random) {
    is.keys = keys.source();
    const std::uint32_t dim = is.queries.dim, heads = is.queries.heads, rows = is.queries.rows;
    // Some tokens matter to all queries, as sinks do, so that scores are far apart.
    const double size = random.below(4) == 0 ? 3.0 : 1.0;
    plain_keys.resize(std::size_t{is.tokens} * is.kv_heads * dim);
    for (std::uint32_t t = 0; t < is.tokens; ++t) {
      const double bias = random.below(20) == 0 ? 0.5 : 0.0;
      for (std::uint32_t h = 0; h < is.kv_heads; ++h)
        for (std::uint32_t c = 0; c < dim; ++c)
          planecast::detail::store_pattern<Key>(keys.row(t, h), c,
                                                nearest<Key>(random.gaussian() * size + bias));
    }
    // Read back: slots of one head may be another's, too.
    for (std::uint32_t t = 0; t < is.tokens; ++t)
      for (std::uint32_t h = 0; h < is.kv_heads; ++h)
        for (std::uint32_t c = 0; c < dim; ++c)
          plain_keys[(std::size_t{t} * is.kv_heads + h) * dim + c] =
              Query::nearest(Key::value(planecast::detail::load_pattern<Key>(keys.row(t, h), c)));
    const std::ptrdiff_t gap = random.coin() ? 0 : random.coin() ? 8 : 3;
    if (random.coin()) {
      is.queries.head = dim + gap;
      is.queries.row = is.queries.head * heads + gap;
    } else if (random.coin()) {
      is.queries.row = dim + gap;
      is.queries.head = is.queries.row * rows + gap;
    }
    queries.assign(
        static_cast<std::size_t>(is.queries.row_step() * (rows - 1) + is.queries.head_step() * (heads - 1)) +
            dim,
        nobodys());
    if constexpr (Wide)
      is.queries.fp32 = queries.data();
    else
      is.queries.first = reinterpret_cast<const std::byte*>(queries.data());
    for (std::uint32_t r = 0; r < rows; ++r)
      for (std::uint32_t h = 0; h < heads; ++h)
        for (std::uint32_t c = 0; c < dim; ++c) {
          query_number& x = query(r, h, c);
          if constexpr (Wide)
            x = static_cast<float>(random.gaussian() + 0.2);
          else
            x = nearest<Query>(random.gaussian() + 0.2);
        }
    if (random.coin())
      find_lse(random);
  }
  attention_layer(const attention_layer&) = delete;

  /// A query's channel.
  query_number& query(std::uint32_t row, std::uint32_t head, std::uint32_t channel) {
    return queries[static_cast<std::size_t>(row * is.queries.row_step() + head * is.queries.head_step()) +
                   channel];
  }

  /// What the CPU makes of it.
  [[nodiscard]] std::vector<float> by_cpu() const {
    using namespace planecast;
    std::vector<std::int64_t> slots(is.tokens);
    std::iota(slots.begin(), slots.end(), 0);
    const kv_strides strides{.token = std::ptrdiff_t{is.kv_heads} * is.queries.dim, .head = is.queries.dim};
    const kv_view view(plain_keys.data(), strides, plain_keys.data(), strides, token_slots(slots));
    const device_queries& q = is.queries;
    const query_extents extents{.rows = q.rows, .heads = q.heads, .dim = q.dim, .row = q.row, .head = q.head};
    query_view of = [&] {
      if constexpr (Wide)
        return query_view(q.fp32, extents);
      else
        return query_view(Query::id, q.first, extents);
    }();
    std::vector<float> by_head(std::size_t{q.heads} * q.rows); // the only order that the CPU takes
    for (std::uint32_t h = 0; h < q.heads && q.softmax_lse != nullptr; ++h)
      for (std::uint32_t r = 0; r < q.rows; ++r)
        by_head[std::size_t{h} * q.rows + r] = q.lse(r, h);
    if (q.softmax_lse != nullptr)
      of = of.with_lse(by_head.data());
    std::vector<float> mass(is.tokens);
    detail::add_attention_mass<detail::attention_plain>(view, Query::id, is.kv_heads, of, is.how, mass);
    return mass;
  }

private:
  static query_number nobodys() { // NaN
    if constexpr (Wide)
      return std::numeric_limits<float>::quiet_NaN();
    else
      return planecast_test::infinity<Query> + 1;
  }
  double value(std::uint32_t row, std::uint32_t head, std::uint32_t channel) {
    if constexpr (Wide)
      return double{query(row, head, channel)};
    else
      return double{Query::value(query(row, head, channel))};
  }
  static planecast::device_attention as_stored(planecast::device_attention a) {
    a.dtype = Key::id;
    if (!Wide)
      a.queries.dtype = Query::id;
    return a;
  }
  void find_lse(random_source& random) {
    const planecast::device_queries& q = is.queries;
    if (random.coin()) {
      is.queries.lse_row = q.heads + random.below(3); // as FlashInfer's
      is.queries.lse_head = 1;
    } else
      is.queries.lse_head = random.coin() ? 0 : q.rows + random.below(5);
    lse.assign(static_cast<std::size_t>(q.lse_at(q.rows - 1, q.heads - 1)) + 1,
               std::numeric_limits<float>::quiet_NaN());
    const double scale = is.how.scale > 0 ? double{is.how.scale} : 1 / std::sqrt(double(q.dim));
    std::vector<double> products;
    for (std::uint32_t h = 0; h < q.heads; ++h)
      for (std::uint32_t r = q.rows - planecast::detail::window_of(is); r < q.rows; ++r) {
        products.assign(is.tokens - q.rows + r + 1, 0);
        for (std::uint32_t t = 0; t < products.size(); ++t)
          for (std::uint32_t c = 0; c < q.dim; ++c)
            products[t] +=
                scale * value(r, h, c) *
                double{Query::value(
                    plain_keys[(std::size_t{t} * is.kv_heads + h / (q.heads / is.kv_heads)) * q.dim + c])};
        const double most = *std::max_element(products.begin(), products.end());
        double sum = 0;
        for (const double x : products)
          sum += std::exp(x - most);
        lse[static_cast<std::size_t>(q.lse_at(r, h))] = static_cast<float>(most + std::log(sum));
      }
    is.queries.softmax_lse = lse.data();
  }
};

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     attention<Key, Query>(layer, scores)
///
/// which says what goes wrong there. Scores are within 2 · 10⁻⁴ of themselves of the CPU's: each is within
/// 10⁻⁴ of the definition. Scores are written, and then, with `twice`, added to.
template <class Key, class Query, bool Wide = false, class Runner>
std::string attention_trouble(Runner&& run, random_source& random, const planecast::device_attention& shape,
                              bool twice = true) {
  using runner = std::remove_cvref_t<Runner>;
  attention_layer<Key, Query, runner::template allocator, Wide> layer(random, shape);
  const std::vector<float> expected = layer.by_cpu();
  constexpr float poison = -3.5f;
  std::vector<float, typename runner::template allocator<float>> scores(expected.size() + 8, poison);
  std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> not_finite(1), not_one(1);
  if (random.coin())
    layer.is.not_one = not_one.data();
  const float weight = random.coin() ? 1.0f : 0.25f;
  for (const bool add : {false, true}) {
    if (add && !twice)
      break;
    if (const std::string wrong = run.template attention<Key, Query>(
            layer.is, planecast::device_scores{scores.data(), weight, add, not_finite.data()});
        !wrong.empty())
      return wrong;
    for (std::size_t t = 0; t < expected.size(); ++t) {
      const double wanted = (add ? 2.0 : 1.0) * double{weight} * double{expected[t]};
      if (!(std::fabs(double{scores[t]} - wanted) <= 2e-4 * wanted + 1e-30))
        return "token " + std::to_string(t) + " of " + std::to_string(expected.size()) + ": " +
               std::to_string(scores[t]) + " instead of " + std::to_string(wanted);
    }
    for (std::size_t t = expected.size(); t < scores.size(); ++t)
      if (scores[t] != poison)
        return "written behind the scores";
  }
  return not_finite[0] != 0 ? "finite scores that are not finite"
         : not_one[0] != 0  ? "attention that does not add up"
                            : "";
}
/// Of any shape.
template <class Key, class Query, bool Wide = false, class Runner>
std::string attention_trouble(Runner&& run, std::uint64_t seed, std::uint32_t most_tokens) {
  random_source random(seed);
  const planecast::device_attention shape = attention_shape(random, most_tokens);
  return attention_trouble<Key, Query, Wide>(run, random, shape);
}
/// Of a sequence as long as any: one head, two that share it, a short window.
template <class Runner>
std::string long_attention_trouble(Runner&& run, std::uint64_t seed, std::uint32_t tokens, std::uint32_t dim,
                                   std::uint32_t rows, bool twice) {
  random_source random(seed);
  planecast::device_attention shape;
  shape.tokens = tokens;
  shape.kv_heads = 1;
  shape.queries.dim = dim;
  shape.queries.heads = 2;
  shape.queries.rows = shape.how.window_size = rows;
  return attention_trouble<planecast::bf16, planecast::bf16>(run, random, shape, twice);
}

} // namespace planecast_test
