// What a caller may choose at either end of a stream.
#pragma once

#include "planecast/cache/shard.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/code/spare_limits.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/policy/tier.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace planecast::inline v0 {

/// What may be chosen for a sender.
struct sender_options {
  shard carries = {}; ///< the piece of the model's cache that goes over this stream
  /// Longest payload of a frame. 0 takes 512 KiB, or what one token of the shape needs if that is more.
  std::uint32_t chunk_bytes = 0;
  /// Bytes given to the transport and not yet taken by it. Small, so that a new request's first light finds
  /// little before it; at least the link's rate times its latency, so that the link never idles.
  std::size_t window_bytes = 2 * 1024 * 1024;
  /// At its end it waits this long at most until what it told the peer has left.
  std::chrono::milliseconds linger{200};
  double link_rate = 0;   ///< bytes a second, for budget::within() and coding::automatic; 0: as measured
  double encode_rate = 0; ///< raw bytes a second, for coding::automatic; 0: as measured, on a device never
  double decode_rate = 0; ///< likewise, at the receiver; 0: that of coding, `threads` and all
  /// Of raw, what of a coded cache crosses in the end: for coding::automatic. 0 takes usual_share().
  double coded_share = 0;
  executor threads = {};   ///< where put() codes; an empty one stands for the calling thread
  spare_limits spare = {}; ///< of caches in a device's memory: what is kept for the next requests
};

/// What may be chosen for a receiver. Its limits are what a bad sender can cost it.
struct receiver_options {
  shard carries = {}; ///< the piece of the model's cache that comes over this stream
  /// Longest payload that is taken. 0 takes 1 MiB, or what one token of the shape needs if that is more.
  std::uint32_t chunk_bytes = 0;
  std::uint32_t slots = 4; ///< frames granted to the sender at a time
  /// Frames that wait for poll(), over all requests, in units of chunk_bytes: at this many no more are
  /// granted, and the link stands still until an engine polls.
  std::uint32_t staged_frames = 64;
  /// Where a request is waited for and others' frames take all the room, those of a request are given up that
  /// was not looked at for so long, by poll() or wait(). They are sent again when it is.
  std::chrono::milliseconds unattended{100};
  std::uint32_t unexpected_requests = 64; ///< announced by the sender before expect(); more are refused
  std::uint64_t code_bytes = std::uint64_t{16} << 30; ///< kept for sharpening, over all requests
  /// At its end it waits this long at most until what it told the peer has left.
  std::chrono::milliseconds linger{200};
  executor threads = {};   ///< where bases are decoded, in poll() and wait(); empty: the calling thread
  spare_limits spare = {}; ///< of caches in a device's memory: what is kept for the next requests
};

/// In which order upgrades go, after the pinned tokens.
enum class plan_order : std::uint8_t {
  greedy, ///< a plane of all, by importance, then the next plane of all: what verification in stages needs
  worth,  ///< by importance × error removed ÷ bytes, plane for plane: the most for the first bytes
};

/// What may be chosen for a plan, beside its budget.
struct plan_options {
  pinned_tokens pinned = {}; ///< tokens that come first, whatever their score
  int until = lossless;      ///< the last tier to send, in bits: a plan may end at 8, or at the base
  plan_order order = plan_order::greedy; ///< of what is not pinned
  /// In the order of worth, upgrades are grouped by plane within so many bytes, so that frames are full. 0
  /// takes a frame's worth; 1 keeps the order as it is.
  std::uint64_t window_bytes = 0;
};

} // namespace planecast::inline v0
