// How much memory a stream's end keeps on a device for later.
#pragma once

#include <cstdint>

namespace planecast::inline v0 {

/// What an end of a stream whose caches are in a device's memory keeps of memory that it needs no more, for
/// its next requests: a device's runtime takes long to hand memory out, and to take it back it waits for the
/// whole device. Nobody else can have what is kept, so that an engine which takes nearly all of the device
/// for its pages says less here; with 0 nothing is kept. What a request has in use is no part of it. Where
/// the device has no memory left, an end gives back what it keeps before it says so. Streams from the
/// processor's memory keep nothing.
/// Example: `sender_options{.spare = {.device_bytes = 256 << 20, .pinned_bytes = 64 << 20}}`
struct spare_limits {
  std::uint64_t device_bytes = std::uint64_t{1} << 30; ///< of the device's memory
  std::uint64_t pinned_bytes = std::uint64_t{1} << 30; ///< of the host's from which the device copies fast
};

} // namespace planecast::inline v0
