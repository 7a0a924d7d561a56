// What blocks of threads make of a frame's payload, on the host, thread by thread in any order.
#include "planecast/cuda/detail/gather_program.hpp"
#include "planecast/cuda/detail/gather_rows_programs.hpp"

#include "cuda/gather_case.hpp"
#include "cuda/host_block.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace cuda_gather_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;
  std::uint32_t threads = 1 + random.below(random.coin() ? 8 : 256);

  template <class Layers>
  std::string gather(const Layers& layers, std::uint32_t rows, std::uint32_t plane,
                     const pc::gather_target& to) {
    return gather_rows(layers.data(), static_cast<std::uint32_t>(layers.size()), rows, plane, to);
  }

private:
  template <class K, class V, class Planes>
  std::string gather_rows(const pc::gather_layer<K, V, Planes>* layers, std::uint32_t count,
                          std::uint32_t rows, std::uint32_t plane, const pc::gather_target& to) {
    using pc::detail::gather_program, pc::detail::gather_starts_program;
    using rows_program = pc::detail::gather_rows_program<K, V, Planes>;
    const bool whole = run_on_host(rows_program{layers, count, rows, plane, to.workspace},
                                   pc::detail::gather_room(rows).groups, threads,
                                   rows_program::memory_bytes(threads), random) &&
                       run_on_host(gather_starts_program{to, rows}, 1, threads,
                                   gather_starts_program::memory_bytes(threads), random) &&
                       run_on_host(gather_program{to, rows}, gather_program::grid(to.room), threads,
                                   gather_program::memory_bytes(threads), random);
    return whole ? "" : "a block writes beyond its memory";
  }
};

template <class Policy>
void as_the_processor_does(std::uint32_t count, bool until_all = false) {
  frames_seen seen;
  for (std::uint32_t k = 0; k < count || (until_all && !seen.all() && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(gather_trouble<Policy>(on_host{random_source(~seed)}, seed, seen) == "");
  }
  CHECK((!until_all || seen.all()));
}

} // namespace

TEST_CASE("gather: the payload and the checksum that the processor gives") {
  as_the_processor_does<standard_gather>(rounds(40, 8), true);
}
TEST_CASE("gather: other quantizers and planes") {
  as_the_processor_does<narrow_gather>(rounds(20, 4));
  as_the_processor_does<half_stored_gather>(rounds(20, 4));
}

// The sums of threads, and where groups begin, where there are more groups than threads.
TEST_CASE("gather: many rows, most of them empty") {
  random_source random(first_seed());
  for (std::uint32_t k = 0; k < rounds(20, 4); ++k) {
    const std::uint32_t rows = 1 + random.below(300 * pc::detail::rows_together),
                        threads = 1 + random.below(256);
    const pc::detail::gather_room room(rows);
    std::vector<std::uint64_t> workspace(room.bytes() / 8 + 1);
    std::vector<std::uint32_t> lengths(room.groups);
    for (auto& length : lengths)
      length = random.below(4) == 0 ? random.below(100'000) : 0;
    pc::gathered_payload result;
    const pc::gather_target to{nullptr, 0, reinterpret_cast<std::byte*>(workspace.data()), &result};
    std::copy(lengths.begin(), lengths.end(), room.starts(to.workspace));
    using program = pc::detail::gather_starts_program;
    CHECK(run_on_host(program{to, rows}, 1, threads, program::memory_bytes(threads), random));
    std::uint32_t sum = 0;
    bool same = true;
    for (std::uint32_t i = 0; i < room.groups; ++i) {
      same = same && room.starts(to.workspace)[i] == sum;
      sum += lengths[i];
    }
    CHECK(same);
    CHECK(room.starts(to.workspace)[room.groups] == sum);
    CHECK(result.bytes == sum);
    CHECK(result.checksum == sum);
  }
}

} // namespace cuda_gather_test
