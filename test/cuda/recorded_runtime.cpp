// What stands in for CUDA's runtime: its functions, as far as the library and CUB call them. A kernel is
// taken or refused as CUDA would do it.
#include "cuda/recorded_runtime.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <map>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>

namespace planecast_test {
namespace {

struct state {
  recorded_calls seen;
  int device = 0;
  unsigned failing = no_call;
  cudaError_t last = cudaSuccess;
  std::map<const void*, std::string> kernels;                      // by what stands for them on the host
  std::map<std::pair<int, const void*>, std::size_t> shared_bytes; // that a device was told to let them have
  recorded_work pushed{};                                          // what <<<>>> says
};
state& is() { // it is asked for before main() begins
  static state all;
  return all;
}
const recorded_device& device() {
  return recorded_devices[is().device];
}
std::size_t most_shared_bytes() {
  return device().block_kib * 1024;
}

cudaError_t told(cudaError_t e) {
  if (e != cudaSuccess)
    is().last = e;
  return e;
}
// Each call that may fail begins with it.
cudaError_t met() {
  state& s = is();
  if (s.seen.calls++ != s.failing)
    return cudaSuccess;
  s.seen.failed = true;
  s.seen.work_before = s.seen.work.size();
  return told(asked_error);
}
cudaError_t misused(const char* what) {
  if (is().seen.misused.empty())
    is().seen.misused = what;
  return cudaSuccess;
}

// run_program<planecast::v0::detail::NAME<…> > is NAME.
std::string name_of(const char* mangled) {
  int failed = 0;
  const std::unique_ptr<char, void (*)(void*)> plain(abi::__cxa_demangle(mangled, nullptr, nullptr, &failed),
                                                     std::free);
  std::string_view name = failed == 0 ? plain.get() : mangled;
  for (const std::string_view runs : {"::run_program<", "::run_rounds<"})
    if (const auto at = name.find(runs); at != name.npos) {
      name.remove_prefix(at + runs.size());
      name = name.substr(0, name.find_first_of("<>"));
      return std::string(name.substr(name.rfind(':') + 1));
    }
  return name.find("cub::") != name.npos ? "cub" : std::string(name);
}

cudaError_t enqueue(const void* kernel, dim3 blocks, dim3 threads, std::size_t shared, cudaStream_t stream) {
  state& s = is();
  if (const cudaError_t e = met(); e != cudaSuccess)
    return e;
  const auto found = s.kernels.find(kernel);
  if (found == s.kernels.end())
    return told(cudaErrorInvalidDeviceFunction);
  if (blocks.x == 0 || blocks.x > 0x7FFFFFFFu || blocks.y != 1 || blocks.z != 1 || threads.x == 0 ||
      threads.x > 1024 || threads.y != 1 || threads.z != 1)
    return told(cudaErrorInvalidConfiguration);
  const auto allowed = s.shared_bytes.find({s.device, kernel});
  if (shared > (allowed == s.shared_bytes.end() ? std::size_t{48} * 1024 : allowed->second))
    return told(cudaErrorInvalidValue);
  s.seen.work.push_back({found->second, stream, blocks.x, threads.x, shared, nullptr, 0});
  return cudaSuccess;
}
cudaError_t write(const char* name, const void* to, std::size_t bytes, cudaStream_t stream) {
  if (const cudaError_t e = met(); e != cudaSuccess)
    return e;
  is().seen.work.push_back({name, stream, 0, 0, 0, to, bytes});
  return cudaSuccess;
}

} // namespace

void record_on(int number, unsigned failing) {
  is().seen = {};
  is().device = number;
  is().failing = failing;
  is().last = cudaSuccess;
}
const recorded_calls& recorded() {
  return is().seen;
}

} // namespace planecast_test

using namespace planecast_test;

// What is asked. The error that is kept for whoever asks next is none of those that may fail.
cudaError_t cudaGetLastError() {
  return std::exchange(is().last, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return is().last;
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of CUDA's";
}
cudaError_t cudaGetDevice(int* number) {
  *number = is().device;
  return met();
}
cudaError_t cudaSetDevice(int number) {
  return number == is().device ? met() : misused("cudaSetDevice of another device");
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(std::size(recorded_devices));
  return met();
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int number) {
  if (number != is().device)
    misused("cudaDeviceGetAttribute of another device");
  *value = 0;
  switch (which) {
  case cudaDevAttrComputeCapabilityMajor:
    *value = device().architecture / 10;
    break;
  case cudaDevAttrComputeCapabilityMinor:
    *value = device().architecture % 10;
    break;
  case cudaDevAttrMultiProcessorCount:
    *value = device().processors;
    break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    *value = static_cast<int>(most_shared_bytes());
    break;
  case cudaDevAttrMaxGridDimX:
    *value = 0x7FFFFFFF;
    break;
  default:
    misused("cudaDeviceGetAttribute of what is not known here");
  }
  return met();
}
// What CUB asks: the architecture that its kernels are compiled for, and how many blocks fit.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* of, const void*) {
  *of = {};
  of->ptxVersion = of->binaryVersion = recorded_kernels_for;
  return met();
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, std::size_t,
                                                                   unsigned) {
  *blocks = 2;
  return met();
}
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute which, int value) {
  if (const cudaError_t e = met(); e != cudaSuccess)
    return e;
  if (which != cudaFuncAttributeMaxDynamicSharedMemorySize)
    return misused("cudaFuncSetAttribute of what is not known here");
  if (value < 0 || static_cast<std::size_t>(value) > most_shared_bytes())
    return told(cudaErrorInvalidValue);
  is().shared_bytes[{is().device, kernel}] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

// What is enqueued.
cudaError_t cudaLaunchKernel(const void* kernel, dim3 blocks, dim3 threads, void**, std::size_t shared,
                             cudaStream_t stream) {
  return enqueue(kernel, blocks, threads, shared, stream);
}
cudaError_t cudaMemsetAsync(void* to, int, std::size_t bytes, cudaStream_t stream) {
  return write("memset", to, bytes, stream);
}
cudaError_t cudaMemcpyAsync(void* to, const void*, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return write("memcpy", to, bytes, stream);
}

// What waits, allocates, or has no stream. Any other function is missed by the linker.
cudaError_t cudaMalloc(void**, std::size_t) {
  return misused("cudaMalloc");
}
cudaError_t cudaMallocHost(void**, std::size_t) {
  return misused("cudaMallocHost");
}
cudaError_t cudaMallocAsync(void**, std::size_t, cudaStream_t) {
  return misused("cudaMallocAsync");
}
cudaError_t cudaHostAlloc(void**, std::size_t, unsigned) {
  return misused("cudaHostAlloc");
}
cudaError_t cudaFree(void*) {
  return misused("cudaFree");
}
cudaError_t cudaFreeHost(void*) {
  return misused("cudaFreeHost");
}
cudaError_t cudaFreeAsync(void*, cudaStream_t) {
  return misused("cudaFreeAsync");
}
cudaError_t cudaMemset(void*, int, std::size_t) {
  return misused("cudaMemset");
}
cudaError_t cudaMemcpy(void*, const void*, std::size_t, cudaMemcpyKind) {
  return misused("cudaMemcpy");
}
cudaError_t cudaDeviceSynchronize() {
  return misused("cudaDeviceSynchronize");
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return misused("cudaStreamSynchronize");
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) {
  return misused("cudaStreamCreateWithFlags");
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
  return misused("cudaStreamWaitEvent");
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return misused("cudaEventSynchronize");
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  return misused("cudaEventRecord");
}

// What nvcc's own host code calls: before main() begins, and for <<<>>>, which is CUB's.
extern "C" {
void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
void __cudaRegisterFunction(void**, const char* kernel, char*, const char* name, int, uint3*, uint3*, dim3*,
                            dim3*, int*) {
  is().kernels[kernel] = name_of(name);
}
unsigned __cudaPushCallConfiguration(dim3 blocks, dim3 threads, std::size_t shared, cudaStream_t stream) {
  if (blocks.y != 1 || blocks.z != 1 || threads.y != 1 || threads.z != 1)
    misused("a grid of more than one dimension");
  is().pushed = {"", stream, blocks.x, threads.x, shared, nullptr, 0};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* blocks, dim3* threads, std::size_t* shared, void* stream) {
  const recorded_work& pushed = is().pushed;
  *blocks = dim3(pushed.blocks);
  *threads = dim3(pushed.threads);
  *shared = pushed.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = pushed.stream;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* handle, const void* kernel) {
  *handle = reinterpret_cast<cudaKernel_t>(const_cast<void*>(kernel));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t handle, dim3 blocks, dim3 threads, void**, std::size_t shared,
                               cudaStream_t stream) {
  return enqueue(handle, blocks, threads, shared, stream);
}
}
