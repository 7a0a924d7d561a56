// Policy, transport and backend, composed at compile time.
#pragma once

#include "planecast/cpu/cpu.hpp"
#include "planecast/stream/receiver.hpp"
#include "planecast/stream/sender.hpp"

namespace planecast::inline v0 {

namespace detail {
// What has to code tile by tile: the backend, or, where that codes layers (layer_backend), nothing of its
// own.
template <class Backend>
struct tiles_by {
  using type = Backend;
};
template <class Backend>
requires requires {
  typename Backend::place;
}
struct tiles_by<Backend> {
  using type = cpu;
};
template <class Backend>
using tiles_of = typename tiles_by<Backend>::type;
} // namespace detail

/// A bit-plane stream: what changes the bytes × how they cross × what codes them.
/// Example:
///
///     using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>>;
///     using stream = plane_stream<policy, socket>;
///
///     // prefill node
///     stream::sender out{connect("127.0.0.1:7440"), shape};
///     auto shot = out.open({.id = 1, .tokens = n});
///     for (unsigned l = 0; l < shape.layers; ++l)
///       check(shot.put(l, layer_view(l)));               // the base leaves
///     check(shot.plan(budget::of_raw(0.5), scores));     // the order of all that follows
///     check(shot.wait(focused, 10s));
///
///     // decode node
///     stream::receiver in{listen(7440), shape};
///     auto kv = in.expect({.id = 1, .tokens = n}, pages);
///     check(kv.wait(first_light, 2s));
///     auto text = speculate(engine, kv, {.first = t0, .max_tokens = 256, .on_token = show});
template <class Policy, transport Transport, class Backend = cpu>
// clang-format off
requires backend<detail::tiles_of<Backend>, typename Policy::key_quantizer, typename Policy::planes> &&
         backend<detail::tiles_of<Backend>, typename Policy::value_quantizer, typename Policy::planes>
struct plane_stream {
  // clang-format on
  using policy = Policy;                                        ///< what changes the bytes
  using sender = stream_sender<Policy, Transport, Backend>;     ///< the prefill node's end
  using receiver = stream_receiver<Policy, Transport, Backend>; ///< the decode node's end
};

} // namespace planecast::inline v0
