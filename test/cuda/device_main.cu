// The main program of tests that take a GPU: without one it says so and fails. With --device it says which
// one it is, as JSON's members.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <cstring>
#include <cuda_runtime.h>
#include <doctest/doctest.h>

int main(int count, char** arguments) {
  bool listing = false, asking = false;
  for (int i = 1; i < count; ++i) {
    listing = listing || std::strstr(arguments[i], "list-") != nullptr; // takes no GPU
    asking = asking || std::strcmp(arguments[i], "--device") == 0;
  }
  int devices = 0, driver = 0, runtime = 0;
  cudaDeviceProp device{};
  cudaError_t failed = listing ? cudaSuccess : cudaGetDeviceCount(&devices);
  if (!listing && failed == cudaSuccess && devices == 0)
    failed = cudaErrorNoDevice;
  if (asking && failed == cudaSuccess)
    failed = cudaGetDeviceProperties(&device, 0);
  if (failed != cudaSuccess) {
    std::printf("no GPU: %s\n", cudaGetErrorString(failed));
    return 1;
  }
  if (asking) {
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    std::printf("\"device\": \"%s\", \"architecture\": \"sm_%d\", \"driver_speaks_CUDA\": \"%d.%d\", "
                "\"CUDA\": \"%d.%d\"\n",
                device.name, 10 * device.major + device.minor, driver / 1000, driver % 1000 / 10,
                runtime / 1000, runtime % 1000 / 10);
    return 0;
  }
  return doctest::Context(count, arguments).run();
}
