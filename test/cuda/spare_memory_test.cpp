#include "planecast/cuda/detail/spare_memory.hpp"

#include "code/rows.hpp"

#include <cstddef>
#include <doctest/doctest.h>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace cuda_spare_memory_test {

using namespace planecast;
using planecast_test::first_seed, planecast_test::random_source, planecast_test::rounds;

namespace {

// Hands out addresses that nobody looks behind, as long as they are below its most.
struct some_runtime {
  static inline std::map<std::byte*, std::size_t> taken;
  static inline std::size_t bytes = 0, most = 0, calls = 0;
  static inline std::uintptr_t next = 4096;

  static std::byte* take(std::size_t size) {
    ++calls;
    if (bytes + size > most)
      throw error({errc::device, "a test's", 0, 2});
    auto* const at = reinterpret_cast<std::byte*>(next);
    next += 2 * size + 4096;
    taken[at] = size;
    bytes += size;
    return at;
  }
  static void give_back(std::byte* at) noexcept {
    bytes -= taken.at(at);
    taken.erase(at);
  }
  static void reset(std::size_t limit) {
    CHECK(taken.empty());
    calls = 0;
    most = limit;
  }
};
using spare_type = detail::spare_memory<some_runtime>;
constexpr std::size_t most_spare = std::size_t{1} << 30;

} // namespace

TEST_CASE("spare memory: what is given back serves who asks for about as much") {
  some_runtime::reset(std::size_t{1} << 40);
  {
    spare_type spare(most_spare);
    const auto first = spare.take(100'000);
    CHECK(first.second >= 100'000);
    CHECK(first.second <= 113'000);
    spare.give_back(first.first, first.second);
    CHECK(spare.kept() == first.second);
    CHECK(spare.take(99'000).first == first.first);
    CHECK(spare.kept() == 0);
    CHECK(some_runtime::calls == 1);
    spare.give_back(first.first, first.second);
    CHECK(spare.take(1000).first != first.first); // too much for so little
    CHECK(spare.take(200'000).first != first.first);
    for (const auto& [at, size] : std::map(some_runtime::taken))
      if (at != first.first)
        spare.give_back(at, size);
  }
  CHECK(some_runtime::taken.empty());
}

TEST_CASE("spare memory: it keeps no more than it may, and goes back where the runtime has none") {
  constexpr std::size_t eighth = most_spare / 8;
  some_runtime::reset(16 * eighth);
  spare_type spare(most_spare);
  std::vector<std::pair<std::byte*, std::size_t>> held;
  for (int i = 0; i < 10; ++i)
    held.push_back(spare.take(eighth));
  CHECK_THROWS_AS((void)spare.take(7 * eighth), const error&);
  for (const auto& [at, size] : held)
    spare.give_back(at, size);
  CHECK(spare.kept() == most_spare);
  CHECK(some_runtime::bytes == spare.kept());
  const auto large = spare.take(15 * eighth); // all that is kept stands in its way
  CHECK(spare.kept() == 0);
  spare.give_back(large.first, large.second);
  CHECK(some_runtime::taken.empty());
}

TEST_CASE("spare memory: where nothing is to be kept, all goes back at once") {
  some_runtime::reset(std::size_t{1} << 40);
  spare_type none(0);
  const auto one = none.take(1000), other = none.take(5);
  none.give_back(one.first, one.second);
  CHECK(none.kept() == 0);
  CHECK(some_runtime::bytes == other.second);
  none.give_back(other.first, other.second);
  CHECK(some_runtime::taken.empty());
}

TEST_CASE("spare memory: no memory is handed out twice, and all goes back in the end") {
  for (std::uint32_t k = 0; k < rounds(50, 20); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    some_runtime::reset(std::size_t{1} << 40);
    {
      spare_type spare(most_spare);
      std::map<std::byte*, std::size_t> held;
      for (int step = 0; step < 300; ++step)
        if (held.empty() || random.below(3) != 0) {
          const std::size_t wanted = random.below(10) == 0 ? 0 : std::size_t{1} << random.below(26);
          const auto [at, size] = spare.take(wanted);
          REQUIRE(size >= wanted);
          REQUIRE(held.emplace(at, size).second);
          REQUIRE(some_runtime::taken.at(at) == size);
        } else {
          const auto one = std::next(held.begin(), random.below(static_cast<std::uint32_t>(held.size())));
          spare.give_back(one->first, one->second);
          held.erase(one);
        }
      for (const auto& [at, size] : held)
        spare.give_back(at, size);
    }
    REQUIRE(some_runtime::taken.empty());
  }
}

} // namespace cuda_spare_memory_test
