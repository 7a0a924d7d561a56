// The main program of tests that take a GPU: without one it says so and fails.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <cstring>
#include <cuda_runtime.h>
#include <doctest/doctest.h>

int main(int count, char** arguments) {
  doctest::Context context(count, arguments);
  bool listing = false; // which takes no GPU
  for (int i = 1; i < count; ++i)
    listing = listing || std::strstr(arguments[i], "list-") != nullptr;
  int devices = 0;
  if (const cudaError_t e = cudaGetDeviceCount(&devices); !listing && (e != cudaSuccess || devices == 0)) {
    std::printf("no GPU: %s\n", e != cudaSuccess ? cudaGetErrorString(e) : "none is there");
    return 1;
  }
  return context.run();
}
