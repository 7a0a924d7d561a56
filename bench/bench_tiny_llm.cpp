// What the reference engine of examples/tiny_llm costs: planecast-bench-tiny-llm [--json FILE --commit NAME]
// [options of Google Benchmark]. Products of a matrix and a vector stand beside BLAS's sgemv and beside what
// the machine reads of the same memory; each round measures all three, one behind the other, and ratios are
// medians over the rounds.
#include "results.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"
#include "tiny_llm/multiply.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#if defined(PLANECAST_BENCH_BLAS)
extern "C" {
void sgemv_(const char*, const int*, const int*, const float*, const float*, const int*, const float*,
            const int*, const float*, float*, const int*);
void openblas_set_num_threads(int) __attribute__((weak));
const char* openblas_get_config() __attribute__((weak));
}
#endif

using planecast_bench::median;
using planecast_bench::seconds;

namespace {

constexpr std::uint32_t rows = 11008, columns = 4096; // of a 7B model's MLP: 180 MB in fp32

// Numbers of any format; nothing depends on what they are, but that they are ordinary.
const std::vector<float>& weights() {
  static const std::vector<float> w = [] {
    std::vector<float> all(std::size_t{rows} * columns);
    std::uint32_t r = 1;
    for (float& x : all) {
      r = r * 1664525u + 1013904223u;
      x = static_cast<float>(r >> 8) * 0x1p-24f - 0.5f;
    }
    return all;
  }();
  return w;
}
// Half as long, and the same to look at: in each pair of 16 bits there is an ordinary number of both formats.
const std::vector<std::uint16_t>& short_weights() {
  static const std::vector<std::uint16_t> w = [] {
    std::vector<std::uint16_t> all(weights().size());
    std::uint32_t r = 2;
    for (std::uint16_t& x : all) {
      r = r * 1664525u + 1013904223u;
      x = static_cast<std::uint16_t>((r >> 16 & 0x83FF) | 0x3800);
    }
    return all;
  }();
  return w;
}

// False if there is no BLAS.
bool blas(const std::vector<float>& x, std::vector<float>& y, unsigned threads) {
#if defined(PLANECAST_BENCH_BLAS)
  if (openblas_set_num_threads != nullptr)
    openblas_set_num_threads(static_cast<int>(threads));
  const int m = columns, n = rows, one = 1;
  const float alpha = 1, beta = 0;
  sgemv_("T", &m, &n, &alpha, weights().data(), &m, x.data(), &one, &beta, y.data(), &one);
  return true;
#else
  (void)x, (void)y, (void)threads;
  return false;
#endif
}

using two_words = std::uint64_t __attribute__((vector_size(16)));

// Seconds that threads take to read memory, each its part, in four places at once, as rows of a matrix are.
double read(tiny::thread_pool& pool, const std::byte* from, std::size_t bytes) {
  return seconds([&] {
    pool.run([&](unsigned part) {
      constexpr std::size_t places = 4;
      const std::size_t share = bytes / pool.size() / (64 * places) * 64;
      const std::byte* const mine = from + part * places * share;
      two_words sums[places] = {};
      for (std::size_t i = 0; i < share; i += 64)
        for (std::size_t p = 0; p < places; ++p) {
          two_words line[4];
          std::memcpy(line, mine + p * share + i, 64);
          sums[p] += (line[0] + line[1]) + (line[2] + line[3]);
        }
      benchmark::DoNotOptimize(sums);
    });
  });
}

void matrix_vector(benchmark::State& state, tiny::weight_type type, unsigned threads, bool vectors) {
  const bool wide = type == tiny::weight_type::f32;
  const auto* const from = wide ? reinterpret_cast<const std::byte*>(weights().data())
                                : reinterpret_cast<const std::byte*>(short_weights().data());
  const tiny::matrix m{from, type, rows, columns};
  const std::size_t bytes = std::size_t{rows} * columns * tiny::weight_bytes(type);
  tiny::thread_pool pool(threads);
  std::vector<std::vector<float>> rooms(threads);
  std::vector<float> x(columns, 0.5f), y(rows), z(rows);
  std::vector<double> times, ratios, parts;
  bool there = false;
  for (auto _ : state) {
    const double of_blas = seconds([&] { there = blas(x, z, threads); });
    const double time = seconds([&] {
      tiny::multiply(tiny::kernels_of_this_machine(vectors), pool, m, {}, {x.data(), columns, 1},
                     {y.data(), rows, 1}, rooms);
    });
    benchmark::DoNotOptimize(y.data());
    const double reading = read(pool, from, bytes);
    state.SetIterationTime(time);
    times.push_back(time);
    ratios.push_back(of_blas / time);
    parts.push_back(reading / time);
  }
  state.counters["GB_per_s"] = static_cast<double>(bytes) / median(times) * 1e-9;
  state.counters["of_read"] = median(parts); // what part of the machine's reading speed this is
  if (there)
    state.counters["blas_ratio"] = median(ratios); // sgemv's time, on fp32 weights, over ours
}

std::vector<tiny::token_id> prompt(std::size_t tokens) {
  const std::string text = "The number of people who lived by the river was not known. ";
  std::vector<tiny::token_id> all(tokens);
  for (std::size_t i = 0; i < tokens; ++i)
    all[i] = text[i % text.size()];
  return all;
}
void prefill(benchmark::State& state) {
  tiny::engine e(tiny::embedded(), {.threads = static_cast<unsigned>(state.range(0))});
  const auto tokens = prompt(1000);
  for (auto _ : state) {
    e.truncate(0);
    benchmark::DoNotOptimize(e.prefill(tokens));
  }
  state.counters["tokens_per_s"] = benchmark::Counter(1000, benchmark::Counter::kIsIterationInvariantRate);
}
void step(benchmark::State& state) {
  tiny::engine e(tiny::embedded(), {.threads = static_cast<unsigned>(state.range(0))});
  (void)e.prefill(prompt(1000));
  for (auto _ : state) {
    benchmark::DoNotOptimize(e.step('e'));
    e.truncate(1000);
  }
  state.counters["tokens_per_s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}

void add(unsigned threads) {
  const struct {
    const char* name;
    tiny::weight_type type;
  } types[] = {
      {"f32", tiny::weight_type::f32}, {"f16", tiny::weight_type::f16}, {"bf16", tiny::weight_type::bf16}};
  for (const auto& t : types)
    for (const bool vectors : {true, false}) {
      if (vectors && !tiny::has_vectors())
        continue;
      const std::string name = std::string("tiny_matrix_vector/") + t.name +
                               (vectors ? "/avx2" : "/baseline") + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [type = t.type, threads, vectors](benchmark::State& state) {
                                     matrix_vector(state, type, threads, vectors);
                                   })
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime()
          ->Iterations(21);
    }
  benchmark::RegisterBenchmark("tiny_prefill_1000", prefill)
      ->Arg(threads)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
  benchmark::RegisterBenchmark("tiny_step_after_1000", step)
      ->Arg(threads)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

} // namespace

int main(int count, char** arguments) {
  planecast_bench::results results(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments))
    return 1;
  std::ifstream load("/proc/loadavg");
  std::string busy;
  if (load >> busy) // above 0 something else was running on these cores
    results.note("load average before", busy);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  for (const unsigned threads : cores > 1 ? std::vector{1u, cores} : std::vector{1u}) {
    tiny::thread_pool pool(threads);
    const std::size_t bytes = weights().size() * 4;
    double best = 1e9;
    for (int i = 0; i < 7; ++i)
      best = std::min(best, read(pool, reinterpret_cast<const std::byte*>(weights().data()), bytes));
    results.note("read by " + std::to_string(threads) + " threads, 180 MB, GB/s",
                 std::to_string(static_cast<double>(bytes) / best * 1e-9));
    add(threads);
  }
#if defined(PLANECAST_BENCH_BLAS)
  results.note("blas", openblas_get_config != nullptr ? openblas_get_config() : "not OpenBLAS");
#endif
  benchmark::RunSpecifiedBenchmarks(&results);
  return results.finish();
}
