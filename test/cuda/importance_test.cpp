// What blocks do to score tokens, on the host, thread by thread in any order.
#include "planecast/cuda/detail/attention_program.hpp"
#include "planecast/cuda/detail/key_norm_program.hpp"
#include "planecast/cuda/detail/score_program.hpp"

#include "cuda/attention_case.hpp"
#include "cuda/host_block.hpp"
#include "cuda/key_norm_case.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cuda_importance_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;

  template <class Key, class Query>
  std::string attention(const pc::device_attention& of, const pc::device_scores& to) {
    return of.queries.softmax_lse != nullptr ? attention<Key, Query, true>(of, to)
                                             : attention<Key, Query, false>(of, to);
  }
  template <class Layer>
  std::string key_norm(const Layer& of, const pc::device_scores& to) {
    using program = pc::detail::key_norm_program<typename Layer::format>;
    const std::uint32_t of_block = 1 + random.below(40);
    const float factor =
        (of.order == pc::key_norm_order::short_first ? -to.weight : to.weight) / static_cast<float>(of.heads);
    return run_on_host(program{of.keys.source(),
                               of.tokens,
                               of.heads,
                               of.dim,
                               of_block,
                               of.keys.whole(),
                               {to.scores, factor, to.add, to.not_finite}},
                       (of.tokens + of_block - 1) / of_block, 1 + random.below(100),
                       of_block * program::token_bytes(of.heads, of.dim), random)
               ? ""
               : "a block writes beyond its memory";
  }

private:
  template <class Key, class Query, bool Given>
  std::string attention(const pc::device_attention& of, const pc::device_scores& to) {
    constexpr std::uint32_t kib[] = {64, 99, 163, 227};
    const bool wide = of.queries.fp32 != nullptr; // which no architecture's 64 KiB hold
    const pc::detail::attention_shape shape(
        of.tokens, of.kv_heads, of.queries.heads / of.kv_heads, pc::detail::window_of(of), of.queries.dim,
        pc::detail::heads_apart(of.how), Given,
        {1024 * kib[wide ? 1 + random.below(3) : random.below(4)], 228 * 1024, 1 + random.below(20)},
        pc::detail::parts_of(of));
    if (shape.stages == 0)
      return "no room in a block";
    struct alignas(16) word {
      std::uint32_t of[4];
    };
    constexpr std::uint32_t nan = 0x7FC0ABCDu; // what nobody wrote
    const std::uint32_t threads = 1 + random.below(64);
    const std::size_t size = shape.workspace_bytes(threads);
    std::vector<word> workspace((size + 15) / 16 + 1, word{{nan, nan, nan, nan}});
    auto* const bytes = reinterpret_cast<std::byte*>(workspace.data());
    std::memset(bytes, 0, 4 * shape.counters());
    std::memset(bytes + shape.check_at(), 0, 4);
    if (!run_rounds_on_host(
            pc::detail::attention_program<Key, Query, Given>{
                shape,
                {shape, of.keys, of.queries, pc::detail::whole_groups(of.keys, Key::bits / 8),
                 pc::detail::whole_groups(of.queries)},
                pc::detail::exponent_factor(of),
                bytes,
                to.not_finite},
            shape.blocks() + (Given ? 0 : random.below(3)), // those that draw too high a number do nothing
            shape.threads(), shape.memory_bytes(), random))
      return "a block writes beyond its memory";
    const pc::detail::score_program scores{
        shape,
        reinterpret_cast<const float*>(bytes + shape.mass_at()),
        of.how.kernel_size,
        of.how.pooling,
        {to.scores, pc::detail::score_factor(of, to.weight), to.add, to.not_finite},
        {reinterpret_cast<float*>(bytes + shape.check_at() + 4),
         reinterpret_cast<std::uint32_t*>(bytes + shape.check_at()), of.not_one}};
    if (!run_rounds_on_host(scores, (of.tokens + threads - 1) / threads, threads,
                            scores.memory_bytes(threads), random))
      return "a block writes beyond its memory";
    for (std::size_t i = (size + 3) / 4; i < 4 * workspace.size(); ++i)
      if (workspace[i / 4].of[i % 4] != nan)
        return "written behind the workspace";
    return "";
  }
};

template <class Key, class Query, bool Wide = false>
void attention_is_the_cpus(std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(attention_trouble<Key, Query, Wide>(run, seed, rounds(300, 130)) == "");
  }
}

} // namespace

TEST_CASE("cuda importance: blocks sum attention of a long sequence as the CPU does") {
  on_host run{random_source(~first_seed())};
  CHECK(long_attention_trouble(run, first_seed(), rounds(20'000, 3'000), 64, 16, true) == "");
}
TEST_CASE("cuda importance: blocks sum attention over a million tokens as the CPU does") {
  on_host run{random_source(~first_seed())}; // few channels and queries, for time
  CHECK(long_attention_trouble(run, first_seed(), rounds(1024 * 1024 + 37, 20'037), 8, 3, false) == "");
}
TEST_CASE("cuda importance: blocks sum attention as the CPU does") {
  attention_is_the_cpus<pc::bf16, pc::bf16>(rounds(40, 5));
  attention_is_the_cpus<pc::fp16, pc::fp16>(rounds(15, 3));
  attention_is_the_cpus<pc::e4m3, pc::bf16>(rounds(8, 2));
  attention_is_the_cpus<pc::e4m3, pc::fp16>(rounds(8, 2));
  attention_is_the_cpus<pc::e5m2, pc::bf16>(rounds(8, 2));
  attention_is_the_cpus<pc::e5m2, pc::fp16>(rounds(8, 2));
}

TEST_CASE("cuda importance: fp32 queries are not rounded to 16 bits") {
  attention_is_the_cpus<pc::bf16, pc::bf16, true>(rounds(8, 2));
  attention_is_the_cpus<pc::fp16, pc::fp16, true>(rounds(5, 2));
  attention_is_the_cpus<pc::e4m3, pc::bf16, true>(rounds(3, 1));
}

// The masses of one KV head's queries together lie in the workspace as they are; then its scores are the
// CPU's, bit for bit.
TEST_CASE("cuda importance: blocks pool as the CPU does") {
  for (std::uint32_t k = 0; k < rounds(200, 20); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    const std::uint32_t tokens = 1 + random.below(300), window = 1 + random.below(std::min(tokens, 70u)),
                        kernel_size = 2 * random.below(random.coin() ? 4 : 60) + 1,
                        threads = 1 + random.below(64);
    const pc::score_pooling how = random.coin() ? pc::score_pooling::avg : pc::score_pooling::max;
    std::vector<float> mass(tokens), expected(tokens), scores(tokens);
    for (float& x : mass)
      x = static_cast<float>(random.uniform()) * (random.below(8) == 0 ? 0x1p-130f : 1.0f);
    pc::detail::add_pooled(mass, window, kernel_size, how, 0.25f, expected);
    const pc::detail::attention_shape shape(tokens, 1, 1, window, 64, false, true,
                                            {64 * 1024, 228 * 1024, 1});
    const pc::detail::score_program program{
        shape, mass.data(), kernel_size, how, {scores.data(), 0.25f, false, nullptr}, {}};
    REQUIRE(shape.panels == 1);
    CHECK(run_rounds_on_host(program, (tokens + threads - 1) / threads, threads,
                             program.memory_bytes(threads), random));
    CHECK((scores == expected));
  }
}

template <class Number>
void lengths_are_the_cpus() {
  for (std::uint32_t k = 0; k < rounds(30, 5); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(key_norm_trouble<Number>(on_host{random_source(~seed)}, seed) == "");
  }
}
TEST_CASE("cuda importance: blocks find the lengths of keys as the CPU does") {
  lengths_are_the_cpus<pc::bf16>();
  lengths_are_the_cpus<pc::fp16>();
  lengths_are_the_cpus<pc::e4m3>();
  lengths_are_the_cpus<pc::e5m2>();
}

// CUDA's programming guide, "Compute capabilities": shared memory of a multiprocessor.
TEST_CASE("cuda importance: shapes fit their architecture, and blocks share all of the work") {
  constexpr std::pair<int, std::uint32_t> kib_of[] = {{80, 164}, {86, 100},  {89, 100},
                                                      {90, 228}, {100, 228}, {120, 100}};
  for (const auto& of : kib_of) {
    const int architecture = of.first;
    CAPTURE(architecture);
    const pc::attention_tuning how = pc::attention_tuning_of(architecture);
    CHECK(how.processor_bytes <= 1024 * of.second);
    CHECK(how.block_bytes == pc::tuning_of(architecture).block_bytes);
    for (std::uint32_t k = 0; k < rounds(200, 30); ++k) {
      const std::uint64_t seed = first_seed() + k;
      CAPTURE(seed);
      random_source random(seed);
      const std::uint32_t tokens = 1 + random.below(random.coin() ? 1000 : 1u << 20);
      const pc::detail::attention_shape shape(
          tokens, 1 + random.below(8), 1 + random.below(16), std::min(tokens, 1 + random.below(128)),
          8 * (1 + random.below(32)), random.coin(), random.coin(), how, 1 + random.below(3));
      REQUIRE(shape.stages > 0);
      REQUIRE(shape.memory_bytes() <= how.block_bytes);
      REQUIRE(shape.threads() <= pc::detail::attention_program<pc::bf16, pc::bf16, true>::most_threads);
      CHECK(shape.strips * shape.panels >= shape.head_strips * shape.group);
      CHECK(shape.strips * (shape.panels - 1) < shape.head_strips * shape.group);
      const std::size_t of_pass = shape.panels_in_all() * shape.splits;
      std::vector<std::uint8_t> first(of_pass), second(of_pass);
      std::vector<std::uint32_t> done(shape.kv_heads);
      bool once = true, behind = true;
      for (std::uint32_t n = 0; n < shape.blocks(); ++n) {
        const auto is = shape.work_of(n);
        std::uint8_t& seen =
            (is.second ? second : first)[shape.panel_of(is) * std::size_t{shape.splits} + is.split];
        once = once && seen == 0 && is.first < is.end && is.end <= tokens;
        seen = 1;
        done[is.head] += is.second ? 0u : 1u;
        behind = behind && (shape.given || !is.second || done[is.head] == shape.splits * shape.panels);
      }
      CHECK(once);
      CHECK(behind); // a block waits for none that has a higher number
      CHECK(std::all_of(second.begin(), second.end(), [](std::uint8_t n) { return n == 1; }));
    }
  }
}

// Every number that the CPU refuses is said, whether or not it can be seen in a score: products that are −∞
// make scores of 0.
template <class Key, class Query, bool Wide = false>
void says_what_the_cpu_refuses(std::uint32_t count) {
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    attention_layer<Key, Query, std::allocator, Wide> layer(random, 100);
    const pc::device_queries& q = layer.is.queries;
    const std::uint32_t window = pc::detail::window_of(layer.is), dim = q.dim;
    const auto refused = [&]<class Number>(Number) {
      const std::uint32_t sign = random.below(2) << (Number::bits - 1);
      return static_cast<std::uint16_t>((infinity<Number> + random.below(2)) | sign);
    };
    switch (layer.lse.empty() ? random.below(2) : random.below(3)) {
    case 0: { // a key
      const std::uint32_t t = random.below(layer.is.tokens), h = random.below(layer.is.kv_heads),
                          c = random.below(dim);
      const std::uint16_t pattern = refused(Key{});
      pc::detail::store_pattern<Key>(layer.keys.row(t, h), c, pattern);
      layer.plain_keys[(std::size_t{t} * layer.is.kv_heads + h) * dim + c] =
          Query::bits == Key::bits ? pattern : static_cast<std::uint16_t>(infinity<Query> + 1);
      break;
    }
    case 1: { // a query
      const std::uint32_t r = q.rows - 1 - random.below(window), h = random.below(q.heads);
      auto& x = layer.query(r, h, random.below(dim));
      if constexpr (Wide)
        x = Query::value(refused(Query{}));
      else
        x = refused(Query{});
      break;
    }
    default: // a logarithm
      layer
          .lse[static_cast<std::size_t>(q.lse_at(q.rows - 1 - random.below(window), random.below(q.heads)))] =
          (random.coin() ? 1.0f : -1.0f) *
          (random.coin() ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN());
    }
    if (random.coin()) { // the other channels and queries of one sign: −∞ alone
      for (auto& x : layer.queries)
        if constexpr (Wide)
          x = std::copysign(x, -1.0f);
        else
          x = static_cast<std::uint16_t>(x | 0x8000u);
    }
    CHECK_THROWS_AS(static_cast<void>(layer.by_cpu()), std::invalid_argument);
    std::vector<float> scores(layer.is.tokens);
    std::uint32_t not_finite = 0;
    on_host run{random_source(k)};
    CHECK(run.template attention<Key, Query>(layer.is, {scores.data(), 1, false, &not_finite}) == "");
    CHECK(not_finite == 1);
  }
}
TEST_CASE("cuda importance: what the CPU refuses is said") {
  says_what_the_cpu_refuses<pc::bf16, pc::bf16>(rounds(60, 10));
  says_what_the_cpu_refuses<pc::fp16, pc::fp16>(rounds(60, 10));
  says_what_the_cpu_refuses<pc::e5m2, pc::bf16>(rounds(60, 10));
  says_what_the_cpu_refuses<pc::bf16, pc::bf16, true>(rounds(4, 2));
  says_what_the_cpu_refuses<pc::fp16, pc::fp16, true>(rounds(4, 2));
}

TEST_CASE("cuda importance: fp32 queries beyond fp16's range are said, where keys are fp16") {
  for (const float x : {65504.0f, 65519.0f, 65520.0f, -1e30f}) {
    CAPTURE(x);
    random_source random(first_seed());
    attention_layer<pc::fp16, pc::fp16, std::allocator, true> layer(random, 100);
    std::fill(layer.plain_keys.begin(), layer.plain_keys.end(), std::uint16_t{0});
    for (std::uint32_t t = 0; t < layer.is.tokens; ++t)
      for (std::uint32_t h = 0; h < layer.is.kv_heads; ++h)
        for (std::uint32_t c = 0; c < layer.is.queries.dim; ++c)
          pc::detail::store_pattern<pc::fp16>(layer.keys.row(t, h), c, 0);
    layer.is.queries.softmax_lse = nullptr;
    layer.query(layer.is.queries.rows - 1, 0, 0) = x;
    std::vector<float> scores(layer.is.tokens);
    std::uint32_t not_finite = 0;
    on_host run{random_source(1)};
    CHECK(run.attention<pc::fp16, pc::fp16>(layer.is, {scores.data(), 1, false, &not_finite}) == "");
    CHECK(not_finite == (std::fabs(x) < 65520 ? 0 : 1));
  }
}

TEST_CASE("cuda importance: a softmax_lse to another base is said") {
  std::uint32_t tried = 0;
  for (std::uint32_t k = 0; tried < rounds(10, 3); ++k) {
    random_source random(first_seed() + k);
    attention_layer<pc::bf16, pc::bf16, std::allocator> layer(random, 200);
    if (layer.lse.empty() || layer.is.tokens < 20) // that of one token may be near 0
      continue;
    tried += 1;
    for (float& lse : layer.lse)
      lse *= 1.44269504f;
    std::vector<float> scores(layer.is.tokens);
    std::uint32_t not_one = 0;
    layer.is.not_one = &not_one;
    on_host run{random_source(k)};
    CHECK(run.attention<pc::bf16, pc::bf16>(layer.is, {scores.data()}) == "");
    CHECK(not_one == 1);
  }
}

template <class Narrow, class Wide>
void widens_every_pattern() {
  for (std::uint32_t pattern = 0; pattern < 256; ++pattern) {
    const float value = Narrow::value(static_cast<std::uint16_t>(pattern));
    const std::uint16_t wide = pc::detail::widened<Narrow, Wide>(pattern);
    CAPTURE(pattern);
    if (value != value)
      CHECK(Wide::value(wide) != Wide::value(wide));
    else
      CHECK(wide == Wide::from_fp32(value));
  }
}
TEST_CASE("cuda importance: fp8 patterns are widened exactly") {
  widens_every_pattern<pc::e4m3, pc::bf16>();
  widens_every_pattern<pc::e4m3, pc::fp16>();
  widens_every_pattern<pc::e5m2, pc::bf16>();
  widens_every_pattern<pc::e5m2, pc::fp16>();
}

} // namespace cuda_importance_test
