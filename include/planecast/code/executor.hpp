// Where work that can be divided runs.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>

namespace planecast::inline v0 {

/// Runs a piece of work for every i below count, in any order, on any threads, and returns when all are done:
/// an engine's thread pool, in a few lines. An empty one stands for the calling thread.
/// Preconditions: piece(i) is called once for each i; what it wrote is seen by who called the executor.
/// Errors: pieces throw nothing; what the executor itself throws passes.
/// Example:
///
///     sender_options options;
///     options.threads = [&](std::size_t count, const std::function<void(std::size_t)>& piece) {
///       pool.parallel_for(count, piece);
///     };
using executor = std::function<void(std::size_t count, const std::function<void(std::size_t)>& piece)>;

namespace detail {

/// Calls f(i) for every i below count through the executor. What one of them throws, the caller gets.
template <class F>
void run_pieces(const executor& threads, std::size_t count, F&& f) {
  if (!threads || count < 2) {
    for (std::size_t i = 0; i < count; ++i)
      f(i);
    return;
  }
  std::mutex guard;
  std::exception_ptr failed;
  threads(count, [&](std::size_t i) {
    try {
      f(i);
    } catch (...) {
      const std::lock_guard lock(guard);
      failed = std::current_exception();
    }
  });
  if (failed)
    std::rethrow_exception(failed);
}

} // namespace detail
} // namespace planecast::inline v0
