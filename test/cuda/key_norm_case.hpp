// Lengths of random keys by a runner, beside the CPU's.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/code/value_rows.hpp"
#include "planecast/cpu/attention_plain.hpp"
#include "planecast/cpu/key_norm.hpp"
#include "planecast/cuda/device_attention.hpp"

#include "code/rows.hpp"
#include "cuda/engine_array.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace planecast_test {

/// A layer's keys in memory that the runner reaches, and what the CPU makes of the same numbers.
template <class Number, template <class> class Allocator>
struct key_norm_layer {
  using format = Number;
  std::uint32_t tokens, heads, dim;
  planecast::key_norm_order order;
  engine_array<Allocator> keys;
  std::vector<float> lengths;

  explicit key_norm_layer(random_source& random)
      : tokens(1 + random.below(random.coin() ? 20 : 300)), heads(1 + random.below(5)),
        dim(8 * (1 + random.below(20))),
        order(random.coin() ? planecast::key_norm_order::long_first : planecast::key_norm_order::short_first),
        keys(tokens, heads, dim, planecast::value_bytes(Number::id), random), lengths(tokens) {
    using namespace planecast;
    for (std::uint32_t i = 0; i < tokens * heads * dim; ++i)
      detail::store_pattern<Number>(keys.row(i / dim / heads, i / dim % heads), i % dim,
                                    nearest<Number>(random.gaussian() * 3));
    std::vector<std::uint16_t> plain(std::size_t{tokens} * heads * dim); // bf16 has all of fp8's values
    for (std::uint32_t i = 0; i < plain.size(); ++i) {
      const std::uint16_t pattern =
          detail::load_pattern<Number>(keys.row(i / dim / heads, i / dim % heads), i % dim);
      plain[i] = Number::bits == 16 ? pattern : bf16::nearest(Number::value(pattern));
    }
    std::vector<std::int64_t> slots(tokens);
    std::iota(slots.begin(), slots.end(), 0);
    const kv_strides strides{.token = std::ptrdiff_t{heads} * dim, .head = dim};
    detail::add_key_norms<detail::attention_plain>(
        kv_view(plain.data(), strides, plain.data(), strides, token_slots(slots)),
        Number::bits == 16 ? Number::id : number::bf16, heads, dim, lengths);
    if (order == key_norm_order::short_first)
      for (float& n : lengths)
        n = -n;
  }
  key_norm_layer(const key_norm_layer&) = delete;
};

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     key_norm(layer, scores)
///
/// which says what goes wrong there.
template <class Number, class Runner>
std::string key_norm_trouble(Runner&& run, std::uint64_t seed) {
  using runner = std::remove_cvref_t<Runner>;
  random_source random(seed);
  const key_norm_layer<Number, runner::template allocator> layer(random);
  constexpr float poison = -3.5f;
  std::vector<float, typename runner::template allocator<float>> scores(layer.tokens + 8, poison);
  std::vector<std::uint32_t, typename runner::template allocator<std::uint32_t>> not_finite(1);
  const float weight = random.coin() ? 1.0f : 0.25f;
  for (const bool add : {false, true}) {
    if (const std::string wrong =
            run.key_norm(layer, planecast::device_scores{scores.data(), weight, add, not_finite.data()});
        !wrong.empty())
      return wrong;
    for (std::uint32_t t = 0; t < layer.tokens; ++t) {
      const double wanted = (add ? 2.0 : 1.0) * double{weight} * double{layer.lengths[t]};
      if (!(std::fabs(double{scores[t]} - wanted) <= 1e-5 * std::fabs(wanted)))
        return "token " + std::to_string(t) + ": " + std::to_string(scores[t]) + " instead of " +
               std::to_string(wanted);
    }
    for (std::size_t t = layer.tokens; t < scores.size(); ++t)
      if (scores[t] != poison)
        return "written behind the scores";
  }
  return not_finite[0] == 0 ? "" : "finite scores that are not finite";
}

} // namespace planecast_test
