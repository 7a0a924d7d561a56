// What caches in a device's memory need of the device.
#pragma once

#include "planecast/config.hpp"
#include "planecast/cuda/tuning.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace planecast::inline v0 {

/// A device's queues: what is enqueued in one is done in order, they go on side by side.
enum class device_queue : std::uint8_t {
  code, ///< programs
  tell, ///< small copies to the host, by which it knows what to do next
  move, ///< large ones, which wait for nothing that stands behind them
};

/// A device has memory that the host does not reach, and does there, later, what it is told to. A stream's
/// end keeps one for all its requests.
///
///     memory(n), pinned(n)                  Memory of the device, and of the host where copies are fast: a
///                                           multiple of 256 in address. What gives the last copy of the
///                                           pointer away has waited for all that uses it.
///     to_device(queue, to, from, n)         Copies from pinned memory, and back into it.
///     to_host(queue, to, from, n)
///     launch(queue, program, blocks, n)     Runs a block program; its blocks have n bytes of memory each.
///     set(queue) → mark                     A mark behind what was enqueued so far.
///     passed(mark), wait(mark)              Whether it has passed, and until it has.
///     follow(queue, mark)                   What is enqueued from now on waits for a mark in another queue.
///     after(queue, order)                   It waits for what the caller has enqueued in its own so far.
///     finish(queue)                         Waits for all that was enqueued. It takes nothing that could be
///                                           lacking, and throws nothing.
///     reaches(pointer)                      Whether its programs can use an address.
///     tuning()                              How programs are launched.
///
/// Preconditions: one thread at a time.
/// Effects: all but memory, pinned, wait and finish only enqueue, or tell.
/// Errors: throws `error`: `device` where the device's runtime refuses, `limit` where a program asks for more
/// memory than a block can have.
/// Example: detail::cuda_device.
template <class D>
concept device = requires(D d, device_queue q, std::byte* to, const std::byte* from, std::size_t n,
                          const typename D::mark m, typename D::order o) {
  { d.memory(n) } -> std::same_as<std::shared_ptr<std::byte>>;
  { d.pinned(n) } -> std::same_as<std::shared_ptr<std::byte>>;
  { d.to_device(q, to, from, n) } -> std::same_as<void>;
  { d.to_host(q, to, from, n) } -> std::same_as<void>;
  { d.set(q) } -> std::same_as<typename D::mark>;
  { d.passed(m) } -> std::same_as<bool>;
  { d.wait(m) } -> std::same_as<void>;
  { d.follow(q, m) } -> std::same_as<void>;
  { d.after(q, o) } -> std::same_as<void>;
  { d.finish(q) }
  noexcept->std::same_as<void>;
  { d.reaches(from) } -> std::same_as<bool>;
  { d.tuning() } -> std::same_as<cuda_tuning>;
};

} // namespace planecast::inline v0
