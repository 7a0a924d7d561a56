// What a message on either lane is: a header of fixed layout and a payload.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/checksum.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace planecast::inline v0 {

/// What a frame is, and what its header's fields mean. The values go on the wire: they do not change.
///
/// Payloads. Control frames have none, but for hello, lost, and what tells of kept tokens. open: of a request
/// that drops tokens, the fingerprint of those it keeps, a u64 that is not 0. refuse: the receiver's, or 0,
/// where `plane` says that they differ. base: the tiles' headers, scalars and lowest
/// planes one after the other, without padding between tiles. plan: see upgrade_plan; it fits
/// one frame. order: a u32 for each rank, its item. upgrade: for each layer, head, K then V, and rank whose
/// item is of that layer, the token's row of the plane; rows of stored tiles are empty, and rows of tails end
/// where their codes say.
///
/// Order. Both sides say hello first. Data is sent for requests that were accepted. On the control lane
/// frames are numbered without gaps, and damage there ends the connection; on the data lane it costs a
/// repeat.
enum class frame_kind : std::uint8_t {
  // control lane
  hello = 1,     ///< who I am; the first frame either way
  open = 2,      ///< sender: a request of the tokens from position `first` up to `count`
  accept = 3,    ///< receiver: it is expected, send
  refuse = 4,    ///< receiver: it is not; `first` is an errc, `plane` a refusal, `count` the receiver's value
  delivered = 5, ///< receiver: event `first` of the request has come true
  lost = 6,      ///< receiver: send a data frame again; its sequence is the payload, a u64
  cancel = 7,    ///< either: the request is given up
  // data lane
  base = 16,    ///< tiles first … first + count − 1 of layer_first
  order = 17,   ///< items of ranks first … first + count − 1
  plan = 18,    ///< the runs over the ranks and the cut
  upgrade = 19, ///< plane of the items of ranks first … first + count − 1
};

/// Bytes of the longest payload of a control frame. Both ends post slots of this length and a header's.
inline constexpr std::size_t most_control_payload = 192;

/// On what a receiver that refuses with `mismatch` disagrees: the request's `tokens`, its `first`, or which
/// tokens of the whole sequence these are. The values go on the wire: they do not change.
enum class refusal : std::uint8_t { tokens = 0, first = 1, kept = 2 };

/// Header of a frame. Fields that a kind does not use are zero. Base frames name one layer, other data frames
/// all that the stream carries, by their numbers in the model; all are of all the heads that it carries.
struct frame_header {
  frame_kind kind = frame_kind::hello; ///< says what the other fields mean
  std::uint8_t plane = 0;              ///< of an upgrade; the refusal of a refuse
  std::uint64_t request = 0;           ///< its id
  std::uint64_t sequence = 0;          ///< of its lane, from 0; a frame sent again keeps its number
  std::uint32_t first = 0;             ///< see frame_kind
  std::uint32_t count = 0;             ///< see frame_kind
  std::uint16_t layer_first = 0;       ///< by its number in the model
  std::uint16_t layer_count = 0;       ///< counted: 0 in control frames alone
  std::uint32_t payload_bytes = 0;     ///< that follow the header
  std::uint64_t payload_checksum = 0;  ///< of these bytes
  std::uint32_t opening = 0; ///< of the request: the sender counts from 1 what it opens, for an id may be
                             ///< used again while frames of its earlier use are on their way

  friend constexpr bool operator==(const frame_header&, const frame_header&) = default;
};

inline constexpr std::size_t frame_header_bytes = 64;     ///< of every frame
inline constexpr std::uint32_t frame_magic = 0x54534350u; ///< what a frame begins with: "PCST"

/// Writes a header, 64 bytes, little-endian:
///
///      0 u32 magic         4 u16 wire version    6 u8 kind          7 u8 plane
///      8 u64 request      16 u64 sequence       24 u32 first       28 u32 count
///     32 u16 layer_first  34 u16 layer_count    36 u64 zero        44 u32 payload_bytes
///     48 u64 payload_checksum                   56 u32 opening
///     60 u32 checksum of the 60 bytes before it: both halves of the 64-bit one, xor
///
/// Preconditions: `out` has room for them.
inline void write_header(const frame_header& h, std::byte* out) noexcept {
  using detail::store;
  store(out, frame_magic);
  store(out + 4, static_cast<std::uint16_t>(wire_version));
  store(out + 6, static_cast<std::uint8_t>(h.kind));
  store(out + 7, h.plane);
  store(out + 8, h.request);
  store(out + 16, h.sequence);
  store(out + 24, h.first);
  store(out + 28, h.count);
  store(out + 32, h.layer_first);
  store(out + 34, h.layer_count);
  store(out + 36, std::uint64_t{0});
  store(out + 44, h.payload_bytes);
  store(out + 48, h.payload_checksum);
  store(out + 56, h.opening);
  const std::uint64_t sum = checksum_of({out, 60});
  store(out + 60, static_cast<std::uint32_t>(sum ^ (sum >> 32)));
}

/// Reads the header of a message. That its kind is one of frame_kind is for the caller to see.
/// Effects: h is written if all is well, and only then.
/// Errors: `mismatch` for another wire version, else `corrupt` for whatever is wrong.
inline status read_header(std::span<const std::byte> message, frame_header& h) noexcept {
  using detail::load;
  if (message.size() < frame_header_bytes)
    return {errc::corrupt, "frame: shorter than its header"};
  const std::byte* const in = message.data();
  const std::uint64_t sum = checksum_of({in, 60});
  if (load<std::uint32_t>(in + 60) != static_cast<std::uint32_t>(sum ^ (sum >> 32)))
    return {errc::corrupt, "frame: the header fails its checksum"};
  if (load<std::uint32_t>(in) != frame_magic)
    return {errc::corrupt, "frame: not one of planecast's"};
  if (const auto version = load<std::uint16_t>(in + 4); version != wire_version)
    return {errc::mismatch, "wire version", wire_version, version};
  if (load<std::uint64_t>(in + 36) != 0)
    return {errc::corrupt, "frame: the header has bits that mean nothing"};
  h.kind = static_cast<frame_kind>(load<std::uint8_t>(in + 6));
  h.plane = load<std::uint8_t>(in + 7);
  h.request = load<std::uint64_t>(in + 8);
  h.sequence = load<std::uint64_t>(in + 16);
  h.first = load<std::uint32_t>(in + 24);
  h.count = load<std::uint32_t>(in + 28);
  h.layer_first = load<std::uint16_t>(in + 32);
  h.layer_count = load<std::uint16_t>(in + 34);
  h.payload_bytes = load<std::uint32_t>(in + 44);
  h.payload_checksum = load<std::uint64_t>(in + 48);
  h.opening = load<std::uint32_t>(in + 56);
  return {};
}

/// Whether the payload of a message is the one that its header was written for.
/// Preconditions: the header was read from it, without an error.
/// Errors: `corrupt` for another length or checksum.
inline status check_payload(std::span<const std::byte> message, const frame_header& h) noexcept {
  if (message.size() - frame_header_bytes != h.payload_bytes)
    return {errc::corrupt, "frame: the payload is not of the length that its header says"};
  if (checksum_of(message.subspan(frame_header_bytes)) != h.payload_checksum)
    return {errc::corrupt, "frame: the payload fails its checksum"};
  return {};
}

/// Builds a frame in a buffer, checksum in the same pass: add() the payload's pieces, then finish().
/// Example:
///
///     frame_writer w(room);
///     w.add_number(sequence);
///     const auto message = w.finish({.kind = frame_kind::lost});
class frame_writer {
public:
  /// Borrows the room.
  /// Preconditions: it is enough for the header and all that will be added.
  explicit frame_writer(std::span<std::byte> room) noexcept : room_(room) {}

  /// Copies more of the payload.
  void add(std::span<const std::byte> piece) noexcept {
    if (piece.empty()) // may come from nowhere, where memcpy may not look
      return;
    std::memcpy(room_.data() + at_, piece.data(), piece.size());
    at_ += piece.size();
    if (at_ - summed_ >= 4 * checksum_block) // still in the nearest cache
      sum();
  }
  /// Adds a number to the payload, little-endian.
  template <std::unsigned_integral T>
  void add_number(T value) noexcept {
    std::byte bytes[sizeof value];
    detail::store(bytes, value);
    add(bytes);
  }
  /// Writes the header, of which payload_bytes and payload_checksum are filled in. The whole message, which
  /// lies in the room. Call it once.
  std::span<const std::byte> finish(frame_header h) noexcept {
    sum();
    h.payload_bytes = static_cast<std::uint32_t>(at_ - frame_header_bytes);
    h.payload_checksum = checksum_.value();
    write_header(h, room_.data());
    return room_.first(at_);
  }

private:
  void sum() noexcept {
    checksum_.add(room_.subspan(summed_, at_ - summed_));
    summed_ = at_;
  }

  std::span<std::byte> room_;
  std::size_t at_ = frame_header_bytes, summed_ = frame_header_bytes;
  checksum checksum_;
};

} // namespace planecast::inline v0
