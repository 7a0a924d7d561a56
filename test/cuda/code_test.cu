// What kernels do to tiles, on a device: the same bytes and values as the plain loops.
#include "planecast/cuda/cuda.cuh"

#include "cuda/managed.hpp"
#include "cuda/tile_case.hpp"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <string>

namespace cuda_code_test {

namespace pc = planecast;
using namespace planecast_test;

using standard = pc::planes<4, 4, pc::tail>;
using short_code = pc::planes<4, pc::tail>;

struct on_device {
  template <class T>
  using allocator = managed<T>;

  cudaStream_t stream = nullptr;
  on_device() { REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess); }
  ~on_device() { cudaStreamDestroy(stream); }

  template <class Number, class Q, class Planes>
  std::string encode(const pc::device_tiles<Q, Planes>& to, const pc::device_rows<const std::byte>& from,
                     bool) {
    return done(pc::cuda::encode(Number::id, to, from, stream));
  }
  template <class Number, class Q, class Planes>
  std::string decode(const pc::device_tiles<Q, Planes>& from, std::uint32_t planes,
                     const pc::device_rows<std::byte>& to, bool) {
    return done(pc::cuda::decode(Number::id, from, planes, to, stream));
  }
  template <class Number, class Q, class Planes>
  std::string decode_exact(const pc::device_tiles<Q, Planes>& from, const pc::device_rows<std::byte>& to,
                           std::uint32_t* corrupt, bool) {
    return done(pc::cuda::decode_exact(Number::id, from, to, corrupt, stream));
  }

private:
  std::string done(pc::status s) {
    if (s.ok())
      if (const cudaError_t failed = cudaStreamSynchronize(stream); failed != cudaSuccess)
        s = pc::detail::device_status(failed);
    return s.ok() ? "" : s.message();
  }
};

template <class Number, class Q, class Planes>
void kernels_do_as_plain_loops(std::uint32_t count) {
  tiles_seen found;
  on_device run;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(tiles_trouble<Number, Q, Planes>(run, seed, found) == "");
  }
  CHECK(found.coded > 0);
}

TEST_CASE("cuda: kernels code and decode as the plain loops do") {
  kernels_do_as_plain_loops<pc::bf16, pc::per_channel<64>, standard>(200);
  kernels_do_as_plain_loops<pc::fp16, pc::per_channel<64>, standard>(200);
  kernels_do_as_plain_loops<pc::bf16, pc::per_token, standard>(200);
  kernels_do_as_plain_loops<pc::fp16, pc::per_token, standard>(200);
  kernels_do_as_plain_loops<pc::e4m3, pc::per_token, short_code>(200);
  kernels_do_as_plain_loops<pc::e5m2, pc::per_token, short_code>(200);
  kernels_do_as_plain_loops<pc::bf16, pc::balanced, standard>(200);
}

} // namespace cuda_code_test
