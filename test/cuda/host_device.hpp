// A device on the host: what it is told to do waits in queues, and is done at any time, by turns of
// chance.
#pragma once

#include "planecast/code/spare_limits.hpp"
#include "planecast/cuda/detail/spare_memory.hpp"
#include "planecast/cuda/device.hpp"
#include "planecast/cuda/device_assembly.hpp"
#include "planecast/cuda/device_coded_cache.hpp"
#include "planecast/status.hpp"

#include "code/rows.hpp"
#include "cuda/host_block.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace planecast_test {

class host_device;
} // namespace planecast_test
/// So few that frames of tests have more.
template <>
inline constexpr std::size_t planecast::detail::parts_at_a_time<planecast_test::host_device> = 70;
namespace planecast_test {

/// What chance does to a device.
struct host_device_options {
  std::uint64_t seed = 1;
  std::uint64_t fails_after = ~std::uint64_t{0}; ///< so many calls it fails
  bool keeps_spare = false; ///< as CUDA's does; else address sanitizer sees who uses what went back
};

/// As CUDA's, with memory that is poisoned before and after.
class host_device {
public:
  static inline host_device_options next;                   ///< of what is made from now on
  static inline std::deque<host_device_options> made_first; ///< but first these, one each
  static inline std::uint64_t programs = 0;                 ///< that were run, by all

  using mark = std::shared_ptr<bool>; // whether it has passed
  /// A queue of the caller's.
  struct engine {
    std::deque<std::function<void()>> tasks;
    std::uint64_t added = 0, done = 0;

    void add(std::function<void()> task) {
      tasks.push_back(std::move(task));
      ++added;
    }
    void run(std::uint64_t until) {
      for (; done < until; ++done) {
        tasks.front()();
        tasks.pop_front();
      }
    }
  };
  using order = engine*;

  explicit host_device(const planecast::spare_limits& most = {}) {
    if (!made_first.empty()) {
      mine_ = made_first.front();
      made_first.pop_front();
    }
    device_ = std::make_shared<pool>(mine_.keeps_spare ? most.device_bytes : 0, most_kept.device_bytes);
    pinned_ = std::make_shared<pool>(mine_.keeps_spare ? most.pinned_bytes : 0, most_kept.pinned_bytes);
  }
  host_device(const host_device&) = delete;
  host_device& operator=(const host_device&) = delete;
  ~host_device() {
    while (step()) {
    }
  }

  std::shared_ptr<std::byte> memory(std::size_t bytes) { return of(device_, bytes); }
  std::shared_ptr<std::byte> pinned(std::size_t bytes) { return of(pinned_, bytes); }
  static inline planecast::spare_limits most_kept{0, 0}; ///< for later, by any at any time
  static inline bool written_beyond = false;

  void to_device(planecast::device_queue q, std::byte* to, const std::byte* from, std::size_t n) {
    add(q, [=] { std::memcpy(to, from, n); });
  }
  void to_host(planecast::device_queue q, std::byte* to, const std::byte* from, std::size_t n) {
    add(q, [=] { std::memcpy(to, from, n); });
  }
  template <class Program>
  void launch(planecast::device_queue q, const Program& program, std::uint32_t blocks, std::uint32_t bytes) {
    std::uint32_t threads = tuning().threads;
    if constexpr (requires { Program::threads; }) // as a device does it, at times
      threads = random_.below(4) == 0 ? Program::threads : threads;
    add(q, [=, this] {
      ++programs;
      if (!run_on_host(program, blocks, threads, bytes, random_))
        written_beyond = true;
    });
  }
  mark set(planecast::device_queue q) {
    auto made = std::make_shared<bool>(false);
    add(q, [made] { *made = true; });
    return made;
  }
  bool passed(const mark& m) {
    for (std::uint32_t steps = random_.below(4); steps > 0 && !*m; --steps)
      step();
    return *m;
  }
  void wait(const mark& m) {
    while (!*m)
      if (!step()) {
        stuck = true;
        return;
      }
  }
  void finish(planecast::device_queue q) noexcept {
    while (!queue(q).empty())
      if (!step()) {
        stuck = true;
        return;
      }
  }
  void follow(planecast::device_queue q, const mark& m) {
    count();
    queue(q).push_back({m, [] {}});
  }
  void after(planecast::device_queue q, order behind) {
    const std::uint64_t until = behind->added;
    add(q, [behind, until] { behind->run(until); });
  }
  bool reaches(const std::byte* at) { return at != host_only; }
  static inline const std::byte* host_only = nullptr; ///< what it does not reach
  static inline bool stuck = false;                   ///< whether one waited for what never comes
  [[nodiscard]] planecast::cuda_tuning tuning() const noexcept { return {32, 163 * 1024, 52 * 1024}; }

private:
  struct task {
    mark behind; // what has to have passed; or nothing
    std::function<void()> run;
  };

  struct runtime {
    static std::byte* take(std::size_t bytes) {
      return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{256}));
    }
    static void give_back(std::byte* at) noexcept { ::operator delete (at, std::align_val_t{256}); }
  };
  struct pool {
    planecast::detail::spare_memory<runtime> spare;
    std::uint64_t& most;

    pool(std::uint64_t limit, std::uint64_t& most_of_all) : spare(limit), most(most_of_all) {}
  };
  // Poisoned, with a guard behind it.
  std::shared_ptr<std::byte> of(const std::shared_ptr<pool>& from, std::size_t bytes) {
    count();
    const auto [first, size] = from->spare.take(bytes + 256);
    std::memset(first, 0xC3, size);
    return {first, [from, bytes, size = size](std::byte* p) {
              bool whole = true;
              for (std::size_t i = bytes; i < size; ++i)
                whole = whole && p[i] == std::byte{0xC3};
              if (!whole)
                written_beyond = true;
              std::memset(p, 0x3C, size); // who still uses it will see
              from->spare.give_back(p, size);
              from->most = std::max<std::uint64_t>(from->most, from->spare.kept());
            }};
  }

  // Every call may be the one that fails.
  void count() {
    if (mine_.fails_after == 0)
      throw planecast::error({planecast::errc::device, "a test's", 0, 7});
    --mine_.fails_after;
  }
  std::deque<task>& queue(planecast::device_queue q) { return queues_[static_cast<std::size_t>(q)]; }
  void add(planecast::device_queue q, std::function<void()> run) {
    count();
    queue(q).push_back({nullptr, std::move(run)});
  }
  // Does one thing of either queue. False if there is nothing that can be done.
  bool step() {
    const std::size_t first = random_.below(3);
    for (const std::size_t i : {first, (first + 1) % 3, (first + 2) % 3})
      if (auto& q = queues_[i]; !q.empty() && (q.front().behind == nullptr || *q.front().behind)) {
        const task t = std::move(q.front());
        q.pop_front();
        t.run();
        return true;
      }
    return false;
  }

  host_device_options mine_ = next;
  std::shared_ptr<pool> device_, pinned_;
  random_source random_{mine_.seed};
  std::array<std::deque<task>, 3> queues_;
};
static_assert(planecast::device<host_device>);

/// A backend on it.
struct on_host_device {
  using place = host_device;
  using order = host_device::order;
  template <class Policy>
  using coded_cache = planecast::device_coded_cache<Policy, host_device>;
  template <class Policy>
  using assembly = planecast::device_assembly<Policy, host_device>;
};

} // namespace planecast_test
