// What planning costs: planecast-bench-plan [--json FILE --commit NAME] [options of Google Benchmark]. One
// core; what the machine can do at most is measured in the same run.
#include "planecast/code/spread.hpp"
#include "planecast/plan/attention_mass.hpp"
#include "planecast/stream/planning.hpp"

#include "results.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if defined(PLANECAST_BENCH_BLAS)
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
            const int*, const float*, const int*, const float*, float*, const int*);
void openblas_set_num_threads(int) __attribute__((weak));
const char* openblas_get_config() __attribute__((weak));
}
#endif

namespace pc = planecast;
using planecast_bench::median;
using planecast_bench::seconds;

namespace {

constexpr std::uint32_t tokens = 32768, query_heads = 32, kv_heads = 8, dim = 128, window = 32;
constexpr std::uint32_t group = query_heads / kv_heads;

// Scores as attention gives them: most tokens have next to nothing.
std::vector<float> scores(std::size_t count) {
  std::mt19937 engine(1);
  std::lognormal_distribution<float> mass(-10, 3);
  std::vector<float> made(count);
  for (float& s : made)
    s = mass(engine);
  return made;
}

// What a coded_cache tells of its upgrades, without the tiles: an 8B model's refine and tail, 32 layers of 8
// heads, of which the tails' lengths vary.
class sizes {
public:
  explicit sizes(std::uint32_t count, std::uint32_t layers_apart)
      : count_(count), bytes_(std::size_t{2} * count * layers_apart),
        spread_(std::size_t{count} * layers_apart) {
    std::mt19937 engine(2);
    std::lognormal_distribution<double> error(0, 0.3);
    const std::uint32_t part = 32 / layers_apart;
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      all_ += bytes_[i] =
          part * (i / count % 2 == 0 ? 1024u : 768u + static_cast<std::uint32_t>(engine() % 256));
    for (double& s : spread_)
      s = error(engine);
  }
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t plane, std::uint32_t token) const noexcept {
    return bytes_[std::size_t{plane - 1} * count_ + token];
  }
  [[nodiscard]] std::uint32_t upgrade_bytes(std::uint32_t layer, std::uint32_t plane,
                                            std::uint32_t token) const noexcept {
    return bytes_[(std::size_t{2} * layer + plane - 1) * count_ + token];
  }
  [[nodiscard]] double error_removed(std::uint32_t plane, std::uint32_t token) const noexcept {
    return spread_[token] * pc::detail::error_removed_by<planes>(plane);
  }
  [[nodiscard]] double error_removed(std::uint32_t layer, std::uint32_t plane,
                                     std::uint32_t token) const noexcept {
    return spread_[std::size_t{layer} * count_ + token] * pc::detail::error_removed_by<planes>(plane);
  }
  [[nodiscard]] std::uint64_t all() const noexcept { return all_; }

private:
  using planes = pc::planes<4, 4, pc::tail>;
  std::uint32_t count_;
  std::vector<std::uint32_t> bytes_;
  std::vector<double> spread_;
  std::uint64_t all_ = 0;
};

// Scores of every layer, side by side.
struct layers_scores {
  std::span<const float> all;
  std::uint32_t of;
  [[nodiscard]] std::uint32_t layers() const noexcept { return of; }
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    std::ranges::copy(all.subspan(std::size_t{layer} * (all.size() / of) + first, out.size()), out.begin());
  }
};

// From given scores to frames and a cut at half of what there is, as plan() does it.
template <class I>
void plan_from(benchmark::State& state, const I& by, const pc::item_map& items, pc::plan_order order) {
  const sizes table(items.tokens, items.layers);
  for (auto _ : state) {
    const auto upgrades = pc::detail::order_upgrades(by, items, table, 1, 3, {.order = order}, 512u * 1024u);
    const auto cut = pc::detail::cut_upgrades(upgrades, items, table, 512u * 1024u, table.all() / 2);
    benchmark::DoNotOptimize(cut.chunks.data());
  }
}
void plan_tokens(benchmark::State& state, pc::plan_order order) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const std::vector<float> given = scores(count);
  plan_from(state, pc::given_scores(given), {1, count, 0}, order);
  if (count == tokens)
    state.counters["target_ms"] = 2;
}
void plan_layers(benchmark::State& state, pc::plan_order order) {
  constexpr std::uint32_t layers = 32;
  const std::vector<float> given = scores(std::size_t{layers} * tokens);
  plan_from(state, layers_scores{given, layers}, {layers, tokens, 0}, order);
}
void plan_order_and_cut(benchmark::State& state) {
  plan_tokens(state, pc::plan_order::greedy);
}
void plan_order_and_cut_worth(benchmark::State& state) {
  plan_tokens(state, pc::plan_order::worth);
}
BENCHMARK(plan_order_and_cut)->Arg(4096)->Arg(tokens)->Arg(131072)->Unit(benchmark::kMillisecond);
BENCHMARK(plan_order_and_cut_worth)->Arg(4096)->Arg(tokens)->Arg(131072)->Unit(benchmark::kMillisecond);

void add_layers() {
  for (const auto& [order, name] :
       {std::pair{pc::plan_order::greedy, "plan_order_and_cut_per_layer/32x32768"},
        std::pair{pc::plan_order::worth, "plan_order_and_cut_worth_per_layer/32x32768"}})
    benchmark::RegisterBenchmark(name, [order = order](benchmark::State& state) {
      plan_layers(state, order);
    })->Unit(benchmark::kMillisecond);
}

// One layer of an 8B model: keys and queries in bf16, and the denominators of the queries' softmax.
struct attention_layer {
  std::vector<std::uint16_t> keys, queries;
  std::vector<float> lse;

  attention_layer() : keys(std::size_t{tokens} * kv_heads * dim), queries(window * query_heads * dim) {
    std::mt19937 engine(3);
    std::normal_distribution<float> normal;
    for (auto* values : {&keys, &queries})
      for (std::uint16_t& x : *values)
        x = pc::bf16::nearest(normal(engine));
    for (std::uint32_t h = 0; h < query_heads; ++h)
      for (std::uint32_t i = 0; i < window; ++i)
        lse.push_back(denominator(h, i));
  }
  [[nodiscard]] pc::kv_view view() const {
    const auto strides = pc::kv_strides::nhd(kv_heads, dim);
    return {keys.data(), strides, keys.data(), strides, tokens};
  }
  [[nodiscard]] pc::query_view query(bool with_lse) const {
    const pc::query_view q(pc::number::bf16, queries.data(),
                           {.rows = window, .heads = query_heads, .dim = dim});
    return with_lse ? q.with_lse(lse.data()) : q;
  }

private:
  [[nodiscard]] float denominator(std::uint32_t h, std::uint32_t i) const {
    double sum = 0;
    for (std::uint32_t t = 0; t <= tokens - window + i; ++t) {
      float parts[8] = {};
      for (std::uint32_t c = 0; c < dim; ++c)
        parts[c % 8] += pc::bf16::value(queries[(std::size_t{i} * query_heads + h) * dim + c]) *
                        pc::bf16::value(keys[(std::size_t{t} * kv_heads + h / group) * dim + c]);
      float product = 0;
      for (const float p : parts)
        product += p;
      sum += std::exp(static_cast<double>(product) / std::sqrt(double{dim}));
    }
    return static_cast<float>(std::log(sum));
  }
};
const attention_layer& the_layer() {
  static const attention_layer layer;
  return layer;
}

// The products alone, as BLAS makes them, keys in fp32 already. False if there is no BLAS.
bool blas_products() {
#if defined(PLANECAST_BENCH_BLAS)
  static std::vector<float> k(std::size_t{tokens} * dim, 0.5f), q(std::size_t{group} * window * dim, 0.25f);
  static std::vector<float> products(std::size_t{tokens} * group * window);
  const int m = group * window, n = tokens, depth = dim;
  const float one = 1, zero = 0;
  for (std::uint32_t head = 0; head < kv_heads; ++head)
    sgemm_("T", "N", &m, &n, &depth, &one, q.data(), &depth, k.data(), &depth, &zero, products.data(), &m);
  benchmark::DoNotOptimize(products.data());
  return true;
#else
  return false;
#endif
}
constexpr double operations = 2.0 * tokens * query_heads * window * dim;

// Attention mass of one layer. BLAS runs just before it, so that both meet the same machine; blas_ratio is
// the median of the pairs, BLAS's time over ours.
template <class Set>
void plan_rank_attention(benchmark::State& state, bool with_lse) {
  const auto view = the_layer().view();
  const auto query = the_layer().query(with_lse);
  std::vector<float> mass(tokens);
  std::vector<double> times, ratios;
  bool there = false;
  for (auto _ : state) {
    const double blas = seconds([&] { there = blas_products(); });
    const double time = seconds([&] {
      pc::detail::add_attention_mass<Set>(view, pc::number::bf16, kv_heads, query, {.window_size = window},
                                          mass);
    });
    state.SetIterationTime(time);
    times.push_back(time);
    ratios.push_back(blas / time);
  }
  state.counters["gflops"] = operations / median(times) * 1e-9;
  if (there)
    state.counters["blas_ratio"] = median(ratios);
}

// The same way from an engine's hand to scores: what a user calls.
void plan_attention_mass(benchmark::State& state) {
  const pc::geometry model{.layers = 1, .kv_heads = kv_heads, .key_dim = dim, .value_dim = dim};
  const auto view = the_layer().view();
  const auto query = the_layer().query(false);
  for (auto _ : state) {
    pc::attention_mass mass(model, tokens, {.window_size = window, .kernel_size = 5});
    mass.add(0, view, query);
    benchmark::DoNotOptimize(pc::rank_tokens(mass, tokens).tokens.data());
  }
}
BENCHMARK(plan_attention_mass)->Unit(benchmark::kMillisecond);

std::string name_of(pc::detail::attention_plain) {
  return "plain";
}
#if defined(__x86_64__) && defined(__GNUC__)
std::string name_of(pc::detail::attention_avx2) {
  return "avx2";
}
std::string name_of(pc::detail::attention_avx512) {
  return "avx512";
}
#endif

// Best of a few: what the machine copies, reads and, with BLAS, multiplies.
void note_limits(planecast_bench::results& results) {
  const auto best_of = [](int times, auto&& work) {
    double best = 1e9;
    for (int i = 0; i < times; ++i)
      best = std::min(best, seconds(work));
    return best;
  };
  constexpr std::size_t size = std::size_t{64} << 20;
  std::vector<std::uint64_t> from(size / 8, 1), to(size / 8);
  const double copy = best_of(7, [&] { std::memcpy(to.data(), from.data(), size); });
  const double read = best_of(7, [&] {
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i < from.size(); i += 8)
      for (std::size_t j = 0; j < 8; ++j)
        sums[j] += from[i + j];
    benchmark::DoNotOptimize(sums);
  });
  results.note("copied, memcpy of 64 MiB, GB/s", std::to_string(size / copy * 1e-9));
  results.note("read, 64 MiB, GB/s", std::to_string(size / read * 1e-9));
#if defined(PLANECAST_BENCH_BLAS)
  if (openblas_set_num_threads != nullptr)
    openblas_set_num_threads(1);
  results.note("blas", openblas_get_config != nullptr ? openblas_get_config() : "not OpenBLAS");
  (void)blas_products();
  results.note("sgemm of one layer's products, GFLOP/s",
               std::to_string(operations / best_of(5, [] { (void)blas_products(); }) * 1e-9));
#endif
}

} // namespace

int main(int count, char** arguments) {
  planecast_bench::results results(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments))
    return 1;
  note_limits(results);
  add_layers();
  pc::detail::any_attention_set([]<class Set>(Set set) {
    for (const bool with_lse : {false, true})
      benchmark::RegisterBenchmark(("plan_rank_attention/" + name_of(set) + (with_lse ? "/lse" : "")).c_str(),
                                   plan_rank_attention<Set>, with_lse)
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime()
          ->Iterations(21);
    return false;
  });
  benchmark::RunSpecifiedBenchmarks(&results);
  return results.finish();
}
