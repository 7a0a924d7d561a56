// How fast values become planes and planes values, beside the fastest copy of the same moment:
// planecast-bench-code [--json FILE --commit NAME] [options of Google Benchmark]
//
// A layer's K and V, tokens × heads × channels, in tiles of 64 tokens: half of the bytes are keys per
// channel, half values per token. Input bytes count for encoding, output bytes for decoding. In every
// repetition the copy is timed just before the work, on as many threads and over as many bytes; copy_ratio is
// the median of the pairs.
#include "planecast/planecast.hpp"

#include "results.hpp"

#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#if PLANECAST_X86
#include <immintrin.h>
#endif

namespace pc = planecast;
using planecast_bench::median;
using planecast_bench::seconds;

namespace {

constexpr std::uint32_t heads = 8, page = 64;
constexpr std::size_t in_memory = std::size_t{256} << 20, in_cache = std::size_t{256} << 10;

// Threads that wait for work, so that starting them is not measured.
class team {
public:
  explicit team(unsigned size) : start_(size + 1), end_(size + 1) {
    for (unsigned i = 0; i < size; ++i)
      threads_.emplace_back([this, i] {
        for (;;) {
          start_.arrive_and_wait();
          if (!work_)
            return;
          (*work_)(i);
          end_.arrive_and_wait();
        }
      });
  }
  ~team() {
    work_ = nullptr;
    start_.arrive_and_wait();
  }
  void run(const std::function<void(unsigned)>& work) {
    work_ = &work;
    start_.arrive_and_wait();
    end_.arrive_and_wait();
  }

private:
  std::barrier<> start_, end_;
  const std::function<void(unsigned)>* work_ = nullptr;
  std::vector<std::jthread> threads_;
};

// One after the other, with the calling thread, if there is one thread only.
void on_threads(team* all, unsigned threads, const std::function<void(unsigned)>& work) {
  if (threads == 1)
    work(0);
  else
    all->run(work);
}

// The copies that are tried; the best is the limit.
using copy_function = void (*)(void*, const void*, std::size_t);
void copy_libc(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
#if PLANECAST_X86
// Past the cache, four pages at a time, so that as many of the memory's rows are open.
__attribute__((target("avx2"))) void copy_past_cache(void* to, const void* from, std::size_t bytes) {
  constexpr std::size_t part = 4096;
  auto* out = static_cast<std::byte*>(to);
  const auto* in = static_cast<const std::byte*>(from);
  for (std::size_t at = 0; at + 4 * part <= bytes; at += 4 * part)
    for (std::size_t i = 0; i < part; i += 64)
      for (std::size_t p = 0; p < 4; ++p)
        for (std::size_t half = 0; half < 64; half += 32) {
          const std::size_t k = at + p * part + i + half;
          if (half == 0)
            __builtin_prefetch(in + k + 1024);
          _mm256_stream_si256(reinterpret_cast<__m256i*>(out + k),
                              _mm256_load_si256(reinterpret_cast<const __m256i*>(in + k)));
        }
  _mm_sfence();
}
__attribute__((target("avx2"))) void copy_through_cache(void* to, const void* from, std::size_t bytes) {
  auto* out = static_cast<__m256i*>(to);
  const auto* in = static_cast<const __m256i*>(from);
  for (std::size_t i = 0; i < bytes / 32; i += 4)
    for (std::size_t k = i; k < i + 4; ++k)
      _mm256_store_si256(out + k, _mm256_load_si256(in + k));
}
#endif
struct named_copy {
  const char* name;
  copy_function copy;
};
std::vector<named_copy> copies() {
  std::vector<named_copy> all{{"memcpy", copy_libc}};
#if PLANECAST_X86
  if (pc::supports(pc::instruction_set::avx2)) {
    all.push_back({"non-temporal, 4 pages interleaved", copy_past_cache});
    all.push_back({"temporal vectors", copy_through_cache});
  }
#endif
  return all;
}

struct aligned_free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
template <class T>
using buffer = std::unique_ptr<T[], aligned_free>;
template <class T>
buffer<T> allocate(std::size_t count) {
  void* const memory = std::aligned_alloc(4096, pc::detail::align_up(count * sizeof(T), std::size_t{4096}));
  std::memset(memory, 1, count * sizeof(T)); // so that its pages are there
  return buffer<T>(static_cast<T*>(memory));
}

// K or V of one layer, and its tiles.
template <class Q, class Planes>
struct half {
  pc::tile_layout<Q, Planes> layout;
  std::uint32_t pages;
  buffer<std::uint16_t> values, shown;
  std::size_t room;
  buffer<std::byte> tiles;
  buffer<std::uint32_t> ends;

  half(std::size_t bytes, std::uint32_t dim, pc::number dtype)
      : layout{{page, dim}}, pages(static_cast<std::uint32_t>(bytes / (std::size_t{2} * heads * dim * page))),
        values(allocate<std::uint16_t>(bytes / 2)), shown(allocate<std::uint16_t>(bytes / 2)),
        room(pc::detail::align_up(layout.bound(), 64u)), tiles(allocate<std::byte>(room * count())),
        ends(allocate<std::uint32_t>(std::size_t{page} * count())) {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> some(1 << 20);
    pc::with_format(dtype, [&]<class Number>(Number) {
      for (std::uint16_t& x : some)
        x = Number::nearest(normal(engine));
    });
    for (std::size_t at = 0; at < bytes / 2; at += some.size())
      std::memcpy(&values[at], some.data(), std::min(2 * some.size(), bytes - 2 * at));
  }
  std::size_t count() const { return std::size_t{pages} * heads; }
  std::size_t place(std::size_t tile) const { // of its first value: all heads of a page, as put() goes
    return (tile / heads * page * heads + tile % heads) * layout.shape.dim;
  }
  template <class Rows>
  Rows rows(std::uint16_t* array, std::size_t tile, pc::stores how) const {
    auto r = Rows::of(array + place(tile), layout.shape.dim);
    r.step *= heads;
    r.how = how;
    return r;
  }
  std::byte* tile(std::size_t i) const { return tiles.get() + i * room; }

  template <class Backend>
  void encode(pc::number dtype, std::size_t i) const {
    Backend::encode(dtype, layout, rows<pc::source_rows>(values.get(), i, pc::stores::cached), tile(i),
                    &ends[i * page]);
  }
  template <class Backend>
  void decode(pc::number dtype, std::size_t i, std::uint32_t planes, pc::stores how) const {
    Backend::decode(dtype, layout, tile(i), 0, page, planes, rows<pc::target_rows>(shown.get(), i, how));
  }
  template <class Backend>
  void exact(pc::number dtype, std::size_t i, pc::stores how) const {
    std::size_t used = 0;
    const pc::status s = Backend::decode_exact(dtype, layout, tile(i), 0, page,
                                               {tile(i) + layout.tails_at(), ends[i * page + page - 1]},
                                               rows<pc::target_rows>(shown.get(), i, how), used);
    if (!s.ok())
      std::abort();
  }
};

enum class work : std::uint8_t { encode_planes, decode_anchor, decode_planes, encode_exact, decode_exact };
constexpr const char* names[] = {"encode_planes", "decode_anchor", "decode_planes", "encode_exact",
                                 "decode_exact"};

template <class Backend, class Planes>
void measure(benchmark::State& state, work what, pc::number dtype, std::uint32_t dim, std::size_t bytes,
             unsigned threads) {
  using key_half = half<pc::per_channel<page>, Planes>;
  using value_half = half<pc::per_token, Planes>;
  const key_half keys(bytes / 2, dim, dtype);
  const value_half values(bytes / 2, dim, dtype);
  const auto how = bytes > pc::past_cache_bytes ? pc::stores::past_cache : pc::stores::cached;
  const auto on_tile = [&](const auto& part, std::size_t i) {
    switch (what) {
    case work::encode_planes:
    case work::encode_exact:
      return part.template encode<Backend>(dtype, i);
    case work::decode_anchor:
      return part.template decode<Backend>(dtype, i, 1, how);
    case work::decode_planes:
      return part.template decode<Backend>(dtype, i, 2, how);
    case work::decode_exact:
      break;
    }
    if constexpr (Planes::has_tail)
      part.template exact<Backend>(dtype, i, how);
  };
  for (std::size_t i = 0; i < keys.count(); ++i) {
    keys.template encode<Backend>(dtype, i);
    values.template encode<Backend>(dtype, i);
  }
  // K, then V, all heads of a page after each other; threads take neighbouring parts of the tiles.
  const auto part = [&](unsigned thread, unsigned of) {
    for (const bool is_value : {false, true})
      for (std::size_t i = keys.count() * thread / of; i < keys.count() * (thread + 1) / of; ++i)
        is_value ? on_tile(values, i) : on_tile(keys, i);
  };
  const std::unique_ptr<team> all(threads > 1 ? new team(threads) : nullptr);
  const std::size_t rounds = std::max<std::size_t>(1, (std::size_t{8} << 20) / bytes); // in a cache: many
  const auto run = [&](unsigned of) {
    return seconds([&] {
      on_threads(all.get(), of, [&](unsigned thread) {
        for (std::size_t r = 0; r < rounds; ++r)
          part(thread, of);
      });
    });
  };
  const auto copied = [&](copy_function copy, unsigned of) {
    const std::size_t share = bytes / 2 / of;
    return seconds([&] {
      on_threads(all.get(), of, [&](unsigned thread) {
        for (std::size_t r = 0; r < rounds; ++r) {
          copy(reinterpret_cast<std::byte*>(keys.shown.get()) + thread * share,
               reinterpret_cast<std::byte*>(keys.values.get()) + thread * share, share);
          copy(reinterpret_cast<std::byte*>(values.shown.get()) + thread * share,
               reinterpret_cast<std::byte*>(values.values.get()) + thread * share, share);
        }
      });
    });
  };
  named_copy best = copies().front();
  for (double least = 1e9; const named_copy& c : copies())
    for (int again = 0; again < 5; ++again)
      if (const double time = copied(c.copy, threads); time < least) {
        least = time;
        best = c;
      }
  std::vector<double> times, ratios, copy_times, gains;
  for (auto _ : state) {
    const double copy = copied(best.copy, threads), time = run(threads);
    state.SetIterationTime(time);
    times.push_back(time);
    copy_times.push_back(copy);
    ratios.push_back(copy / time);
    if (threads > 1)
      gains.push_back(run(1) / time);
  }
  if (what == work::decode_exact && (std::memcmp(keys.shown.get(), keys.values.get(), bytes / 2) != 0 ||
                                     std::memcmp(values.shown.get(), values.values.get(), bytes / 2) != 0))
    state.SkipWithError("what was decoded is not what was encoded");
  const double all_bytes = static_cast<double>(bytes * rounds) * 1e-9;
  state.counters["GB/s"] = all_bytes / median(times);
  state.counters["copy_GB/s"] = all_bytes / median(copy_times);
  state.counters["copy_ratio"] = median(ratios);
  if (threads > 1)
    state.counters["of_one_core"] = median(gains);
  state.SetLabel(best.name);
}

template <class Backend>
void add(const char* set, pc::number dtype, std::uint32_t dim, std::size_t bytes, unsigned threads) {
  for (const work what : {work::encode_planes, work::decode_anchor, work::decode_planes, work::encode_exact,
                          work::decode_exact}) {
    const std::string name =
        std::string(names[static_cast<int>(what)]) + "/" + set + "/" +
        (dtype == pc::number::bf16 ? "bf16" : "fp16") + "/head_dim:" + std::to_string(dim) + "/" +
        (bytes == in_memory ? "256MiB" : "256KiB") + "/threads:" + std::to_string(threads);
    const bool exact = what == work::encode_exact || what == work::decode_exact;
    benchmark::RegisterBenchmark(
        name.c_str(),
        [=](benchmark::State& state) {
          if (exact)
            measure<Backend, pc::planes<4, 4, pc::tail>>(state, what, dtype, dim, bytes, threads);
          else
            measure<Backend, pc::planes<4, 4>>(state, what, dtype, dim, bytes, threads);
        })
        ->UseManualTime()
        ->Iterations(11)
        ->Unit(benchmark::kMillisecond);
  }
}

// Rows of one type into pages of another, beside a copy of the rows.
void convert(benchmark::State& state, pc::number sent, pc::number held) {
  constexpr std::uint32_t dim = 128, tokens = in_cache / 2 / (heads * dim);
  const auto from = allocate<std::uint16_t>(in_cache / 2);
  const auto keys = allocate<std::uint16_t>(in_cache / 2), values = allocate<std::uint16_t>(in_cache / 2);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  pc::with_format(sent, [&]<class Number>(Number) {
    for (std::size_t i = 0; i < in_cache / 2; ++i)
      from[i] = Number::nearest(normal(engine));
  });
  const pc::kv_strides strides = pc::kv_strides::nhd(heads, dim);
  const pc::kv_pages pages =
      pc::kv_pages(keys.get(), strides, values.get(), strides, tokens).holding(held).receiving(sent);
  constexpr int rounds = 20;
  std::vector<double> times, ratios;
  for (auto _ : state) {
    const double copy = seconds([&] {
      for (int r = 0; r < rounds; ++r)
        copy_libc(values.get(), from.get(), in_cache);
    });
    const double time = seconds([&] {
      for (int r = 0; r < rounds; ++r)
        for (std::uint32_t t = 0; t < tokens; ++t)
          for (std::uint32_t h = 0; h < heads; ++h)
            pages.write(false, t, h, dim, &from[(std::size_t{t} * heads + h) * dim]);
    });
    state.SetIterationTime(time);
    times.push_back(time);
    ratios.push_back(copy / time);
  }
  state.counters["GB/s"] = rounds * 1e-9 * in_cache / median(times);
  state.counters["ns_per_value"] = 2e9 * median(times) / (rounds * static_cast<double>(in_cache));
  state.counters["copy_ratio"] = median(ratios);
}

void add_conversions() {
  for (const auto& [name, sent, held] : {std::tuple{"bf16_to_fp16", pc::number::bf16, pc::number::fp16},
                                         std::tuple{"fp16_to_bf16", pc::number::fp16, pc::number::bf16},
                                         std::tuple{"bf16_to_e4m3", pc::number::bf16, pc::number::fp8_e4m3},
                                         std::tuple{"fp16_to_e5m2", pc::number::fp16, pc::number::fp8_e5m2}})
    benchmark::RegisterBenchmark((std::string("convert/") + name + "/256KiB/threads:1").c_str(), convert,
                                 sent, held)
        ->UseManualTime()
        ->Iterations(11)
        ->Unit(benchmark::kMillisecond);
}

template <class Backend>
void add_all(const char* set) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  for (const std::uint32_t dim : {64u, 128u})
    for (const std::size_t bytes : {in_memory, in_cache})
      add<Backend>(set, pc::number::bf16, dim, bytes, 1);
  add<Backend>(set, pc::number::fp16, 128, in_memory, 1);
  if (cores > 1)
    add<Backend>(set, pc::number::bf16, 128, in_memory, cores);
}

} // namespace

int main(int count, char** arguments) {
  planecast_bench::results results(count, arguments);
  results.note("copy",
               "the best of memcpy, temporal and non-temporal vectors, by case: the label says which; as "
               "many bytes and threads as the work, timed just before it");
  results.note("bytes", "input for encoding, output for decoding; stores past the cache in 256MiB");
#if PLANECAST_X86
  if (pc::supports(pc::instruction_set::avx512))
    add_all<pc::avx512_cpu>("avx512");
  if (pc::supports(pc::instruction_set::avx2))
    add_all<pc::avx2_cpu>("avx2");
#endif
  add<pc::plain_cpu>("plain", pc::number::bf16, 128, in_cache, 1);
  add_conversions();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments))
    return 1;
  benchmark::RunSpecifiedBenchmarks(&results);
  return results.finish();
}
