// planecast-bench-cuda: streams from and to device memory.
//
// 8 layers, 512 MiB of BF16. coded: from the first put() until all is coded and in host memory, ready to be
// sent, beside a copy of as many coded bytes from the device to pinned memory of the same moment, which is
// the limit. arrived: until all is in the pages of a receiver in the same process and on the same device,
// over loopback: the processor's one thread makes, sums and copies the frames meanwhile.
#include "planecast/cuda/cuda.cuh"
#include "planecast/planecast.hpp"

#include "on_device.cuh"

#include <array>
#include <random>

namespace pc = planecast;

namespace planecast_bench {

namespace {

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback, pc::cuda>;

const pc::geometry model{
    .dtype = pc::number::bf16, .layers = 8, .kv_heads = 8, .key_dim = 128, .value_dim = 128};
constexpr std::uint32_t tokens = 16384;
constexpr std::size_t half = std::size_t{tokens} * 8 * 128; // values of a layer's keys

// The caches of both ends, the ends, and requests one after the other.
class transfers {
public:
  struct took {
    double coded, arrived, copy; // seconds; of a copy of the coded bytes
    std::uint64_t coded_bytes;
  };

  transfers() : cache_(2 * half * model.layers), pages_(cache_.count()) {
    check(cudaStreamCreateWithFlags(&engine_, cudaStreamNonBlocking));
    for (cudaEvent_t& e : between_)
      check(cudaEventCreate(&e));
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> some(1 << 20);
    for (std::uint16_t& x : some)
      x = pc::bf16::nearest(normal(engine));
    cache_.fill(some);
    auto ends = pc::loopback::pair();
    out_.emplace(std::move(ends.first), model);
    in_.emplace(std::move(ends.second), model);
  }
  transfers(const transfers&) = delete;
  ~transfers() {
    cudaFreeHost(room_);
    for (cudaEvent_t e : between_)
      cudaEventDestroy(e);
    cudaStreamDestroy(engine_);
  }

  took one() {
    check(cudaMemset(pages_.get(), 0xA5, pages_.bytes()));
    const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);
    std::vector<pc::kv_pages> views;
    for (std::uint32_t l = 0; l < model.layers; ++l)
      views.emplace_back(layer(pages_, l), strides, layer(pages_, l) + half, strides, tokens);
    const pc::request is{.id = ++id_, .tokens = tokens};
    auto kv = in_->expect(is, views, engine_);
    auto shot = out_->open(is);
    check(cudaDeviceSynchronize());
    took t{};
    const auto begun = std::chrono::steady_clock::now();
    const auto since = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    };
    for (std::uint32_t l = 0; l < model.layers; ++l)
      check(shot.put(l, {layer(cache_, l), strides, layer(cache_, l) + half, strides, tokens}, engine_));
    check(shot.plan(pc::budget::everything()));
    t.coded = since();
    t.coded_bytes = shot.bytes_held();
    while (!kv.reached(pc::focused)) {
      check(kv.poll());
      check(out_->progress(pc::deadline::passed()));
    }
    t.arrived = since();
    t.copy = copy(t.coded_bytes);
    return t;
  }
  [[nodiscard]] std::string trouble() const {
    return cache_.read() == pages_.read() ? "" : "what arrived is not what was sent";
  }

private:
  static std::uint16_t* layer(const on_device<std::uint16_t>& of, std::uint32_t l) {
    return of.get() + 2 * half * l;
  }
  // Of device memory into pinned memory.
  double copy(std::size_t bytes) {
    if (bytes > room_bytes_) {
      check(cudaFreeHost(std::exchange(room_, nullptr)));
      check(cudaMallocHost(&room_, bytes));
      room_bytes_ = bytes;
    }
    check(cudaEventRecord(between_[0], engine_));
    check(cudaMemcpyAsync(room_, cache_.get(), bytes, cudaMemcpyDeviceToHost, engine_));
    check(cudaEventRecord(between_[1], engine_));
    check(cudaStreamSynchronize(engine_));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, between_[0], between_[1]));
    return milliseconds * 1e-3;
  }

  on_device<std::uint16_t> cache_, pages_;
  cudaStream_t engine_ = nullptr;
  std::array<cudaEvent_t, 2> between_{};
  void* room_ = nullptr;
  std::size_t room_bytes_ = 0;
  std::uint64_t id_ = 0;
  std::optional<stream::sender> out_;
  std::optional<stream::receiver> in_;
};

} // namespace

void add_stream() {
  benchmark::RegisterBenchmark("stream",
                               [](benchmark::State& state) {
                                 try {
                                   transfers all;
                                   all.one(); // takes memory that later ones find
                                   std::vector<double> coded, arrived, copies, ratios;
                                   std::uint64_t bytes = 0;
                                   for (auto _ : state) {
                                     const auto t = all.one();
                                     state.SetIterationTime(t.arrived);
                                     coded.push_back(t.coded);
                                     arrived.push_back(t.arrived);
                                     copies.push_back(t.copy);
                                     ratios.push_back(t.copy / t.coded);
                                     bytes = t.coded_bytes;
                                   }
                                   if (const std::string wrong = all.trouble(); !wrong.empty())
                                     state.SkipWithError(wrong.c_str());
                                   const double raw = 4e-9 * half * model.layers;
                                   state.counters["coded_of_raw"] = 1e-9 * static_cast<double>(bytes) / raw;
                                   state.counters["coded_GB/s"] = raw / median(coded);
                                   state.counters["arrived_GB/s"] = raw / median(arrived);
                                   state.counters["copy_GB/s"] =
                                       1e-9 * static_cast<double>(bytes) / median(copies);
                                   state.counters["copy_ratio"] = median(ratios);
                                 } catch (const std::exception& e) {
                                   state.SkipWithError(e.what());
                                 }
                               })
      ->UseManualTime()
      ->Iterations(9)
      ->Unit(benchmark::kMillisecond);
}

} // namespace planecast_bench
