// How bytes cross. The user's own transport is the normal case: model this concept.
#pragma once

#include "planecast/status.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace planecast::inline v0 {

/// Two lanes between two ends. They are independent: data that cannot move never holds up control.
enum class lane : std::uint8_t { control, data };

/// Names an operation. The caller chooses it; it is unique among the operations not yet completed.
using op_id = std::uint64_t;

/// The pieces of one message, in order.
using gather = std::span<const std::span<const std::byte>>;
/// Where one message goes.
using slot = std::span<std::byte>;

/// The end of an operation.
struct completion {
  op_id id = 0;          ///< the one that the operation was given
  status result;         ///< how it ended
  std::size_t bytes = 0; ///< length of the message, for sends and receives
};

/// What a link can take at the most.
struct transport_limits {
  std::size_t message_bytes = 0; ///< longest message
  std::size_t pieces = 0;        ///< most pieces of a gather
  std::size_t operations = 0;    ///< most operations under way, each kind on each lane
};

/// One end of a link that carries whole messages, reliably and in order on each lane.
///
///     send(lane, g, id)     Enqueues one message. Borrows the bytes of g until id completes; the list of its
///                           pieces only during the call.
///     receive(lane, s, id)  Enqueues a slot. Messages fill a lane's slots in the order of posting, one each.
///                           A message that is longer than its slot completes it with `limit`, and `bytes`
///                           is the message's length; its bytes are lost. A message without a slot waits:
///                           slots are the only credit there is.
///     poll(out, d)          The only call that waits, and the one that drives progress: returns as soon as
///                           at least one operation has completed, or at the deadline, with how many it
///                           wrote.
///     abort()               Ends the link. All operations under way then complete, with `cancelled`, in the
///                           polls that follow; none of their memory is touched once they have.
///     limits()              Constant for the life of the link. At least 16 operations.
///
/// A sender or a receiver owns its end and calls it from within its own calls: no thread of its own, one
/// thread at a time. The two ends of a link may be used from two threads, or from one.
/// Preconditions: what is borrowed stays as it is until its operation has completed; an id is not in use.
/// Effects: send and receive never wait, whether or not they move at once what can be moved; completions come
/// from poll alone. Destroying an end, or assigning to it, aborts it, and returns only when no borrowed
/// memory is touched any more. An end may be moved while operations are under way.
/// Errors: where send or receive does not return ok, nothing was taken and no completion comes: `limit` if
/// the message, the pieces or the operations are too many, `closed` or `cancelled` after the end. When the
/// link is lost, all operations under way complete with `closed`. Nothing throws.
/// Example: examples/own_transport.cpp. test/transport/conformance.hpp tries all of this on any model.
// clang-format off
template <class T>
concept transport =
    std::movable<T> &&
    requires(T t, lane l, gather g, slot s, op_id id, std::span<completion> out, deadline d) {
      { t.send(l, g, id) } noexcept -> std::same_as<status>;
      { t.receive(l, s, id) } noexcept -> std::same_as<status>;
      { t.poll(out, d) } noexcept -> std::same_as<std::size_t>;
      { t.abort() } noexcept -> std::same_as<void>;
      { t.limits() } noexcept -> std::same_as<transport_limits>;
    };
// clang-format on

} // namespace planecast::inline v0
