// How fast the kernels are, beside the copy of the same moment:
// planecast-bench-cuda [--json FILE --commit NAME] [options of Google Benchmark]
//
// 512 MiB of BF16 in device memory; acceptance has the rows that its names say. Each time is the median of
// the times between two events; before each, a buffer larger than the cache is read. In every repetition
// the copy is timed just before the work; copy_ratio is the median of (bytes moved ÷ time) ÷ (the copy's
// bytes read and written ÷ its time). Of a stream the copy is one from the device to pinned memory
// (bench_cuda_stream.cu).
#include "on_device.cuh"

#include <cstdio>
#include <cstdlib>

namespace planecast_bench {

namespace {

__global__ void copy_all(const uint4* from, uint4* to, std::size_t count) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x)
    to[i] = from[i];
}
__global__ void read_all(const uint4* from, uint4* to, std::size_t count) {
  uint4 sum{0, 0, 0, 0};
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x) {
    const uint4 x = from[i];
    sum.x ^= x.x;
    sum.y ^= x.y;
    sum.z ^= x.z;
    sum.w ^= x.w;
  }
  if ((sum.x ^ sum.y ^ sum.z ^ sum.w) == 0x12345678u) // hardly ever, which a compiler cannot know
    to[threadIdx.x] = sum;
}
__global__ void write_all(uint4* to, std::size_t count, std::uint32_t value) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x)
    to[i] = {value, value, value, value};
}

int attribute(cudaDeviceAttr of) {
  int device = 0, value = 0;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&value, of, device));
  return value;
}

std::string version(int number) { // as CUDA writes 13.0: 13000
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

} // namespace

memory_bench::memory_bench()
    : from_(copied_bytes / sizeof(uint4)), to_(copied_bytes / sizeof(uint4)),
      flush_(std::max(copied_bytes, std::size_t{4} * attribute(cudaDevAttrL2CacheSize)) / sizeof(uint4)),
      blocks_(16 * static_cast<unsigned>(attribute(cudaDevAttrMultiProcessorCount))) {
  check(cudaStreamCreateWithFlags(&queue_.stream, cudaStreamNonBlocking));
  check(cudaEventCreate(&queue_.begin));
  check(cudaEventCreate(&queue_.end));
  check(cudaMemset(from_.get(), 1, from_.bytes()));
  check(cudaMemset(flush_.get(), 0, flush_.bytes()));
  check(cudaDeviceSynchronize());
}

double memory_bench::seconds(const std::function<planecast::status(cudaStream_t)>& run) {
  // Read, so that the cache holds nothing that must be written back while time is taken; and twice, so long
  // that what is measured is enqueued meanwhile, be it several kernels.
  for (int again = 0; again < 2; ++again)
    read_all<<<blocks_, 512, 0, queue_.stream>>>(flush_.get(), to_.get(), flush_.count());
  check(cudaGetLastError());
  check(cudaEventRecord(queue_.begin, queue_.stream));
  if (const planecast::status s = run(queue_.stream); !s.ok())
    throw std::runtime_error(s.message());
  check(cudaEventRecord(queue_.end, queue_.stream));
  check(cudaStreamSynchronize(queue_.stream));
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, queue_.begin, queue_.end));
  return milliseconds * 1e-3;
}

planecast::status memory_bench::copy(cudaStream_t stream) {
  PLANECAST_CUDA(cudaMemcpyAsync(to_.get(), from_.get(), from_.bytes(), cudaMemcpyDeviceToDevice, stream));
  return {};
}
planecast::status memory_bench::copy_loop(cudaStream_t stream) {
  copy_all<<<blocks_, 512, 0, stream>>>(from_.get(), to_.get(), from_.count());
  PLANECAST_CUDA(cudaGetLastError());
  return {};
}
planecast::status memory_bench::read_loop(cudaStream_t stream) {
  read_all<<<blocks_, 512, 0, stream>>>(from_.get(), to_.get(), from_.count());
  PLANECAST_CUDA(cudaGetLastError());
  return {};
}
planecast::status memory_bench::write_loop(cudaStream_t stream) {
  write_all<<<blocks_, 512, 0, stream>>>(to_.get(), to_.count(), 7);
  PLANECAST_CUDA(cudaGetLastError());
  return {};
}
double memory_bench::best_copy() {
  return std::min(seconds([this](cudaStream_t s) { return copy(s); }),
                  seconds([this](cudaStream_t s) { return copy_loop(s); }));
}

} // namespace planecast_bench

int main(int count, char** arguments) {
  using namespace planecast_bench;
  results results(count, arguments);
  int devices = 0, driver = 0, runtime = 0;
  if (const cudaError_t e = cudaGetDeviceCount(&devices); e != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "no GPU: %s\n", e != cudaSuccess ? cudaGetErrorString(e) : "none is there");
    return 1;
  }
  try {
    int device = 0;
    cudaDeviceProp is{};
    check(cudaGetDevice(&device));
    check(cudaGetDeviceProperties(&is, device));
    check(cudaDriverGetVersion(&driver));
    check(cudaRuntimeGetVersion(&runtime));
    results.note("device", is.name);
    results.note("architecture", "sm_" + std::to_string(10 * is.major + is.minor));
    if (const char* said = std::getenv("PLANECAST_DRIVER"); said != nullptr) // cmake/gpu.sh asks nvidia-smi
      results.note("driver", said);
    results.note("driver_speaks_CUDA", version(driver));
    results.note("CUDA", version(runtime));
    results.note("L2_MiB", std::to_string(is.l2CacheSize >> 20));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  results.note(
      "values",
      "512 MiB of BF16, tokens first, 8 heads; input for encoding, output for decoding; paged: blocks of "
      "so many tokens, in any order");
  results.note(
      "layer",
      "of attention_mass, key_norm and rank_and_cut: 32768 tokens of BF16, 8 KV heads of 4 query heads, "
      "128 channels, a window of 32; cut: 2 planes, frames of 512 KiB");
  results.note("cache", "cold: a buffer larger than L2 is read before each measurement");
  results.note(
      "copy",
      "the better of the driver's and a kernel's, 512 MiB read and 512 MiB written, timed just before");

  const double once = copied_bytes;
  const auto add_memory = [](const char* name, double moved,
                             planecast::status (memory_bench::*run)(cudaStream_t)) {
    add(name, [=] {
      return operation{0, moved, [=](cudaStream_t s) { return (memory_bench::get().*run)(s); }, {}};
    });
  };
  add_memory("copy/driver", 2 * once, &memory_bench::copy);
  add_memory("copy/kernel", 2 * once, &memory_bench::copy_loop);
  add_memory("read/kernel", once, &memory_bench::read_loop);
  add_memory("write/kernel", once, &memory_bench::write_loop);
  add_coding();
  add_acceptance();
  add_plan();
  add_refining();
  add_stream();

  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments))
    return 1;
  benchmark::RunSpecifiedBenchmarks(&results);
  return results.finish();
}
