// What a unit compiled by one compiler tells about the library's types, to be compared with another's.
#pragma once

#include "planecast_all_headers.hpp" // made by CMake: every header of planecast::planecast

#include <array>
#include <cstddef>
#include <cstdint>

namespace planecast_test {

struct type_layout {
  const char* name;
  std::size_t size, alignment;
};

template <class T>
constexpr type_layout layout_of(const char* name) {
  return {name, sizeof(T), alignof(T)};
}

namespace pc = planecast;
using standard_policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                             pc::values<pc::per_token>>;
using standard_stream = pc::plane_stream<standard_policy, pc::loopback>;

#define PLANECAST_TEST_LAYOUT(...) layout_of<__VA_ARGS__>(#__VA_ARGS__)
inline constexpr std::array layouts = {
    PLANECAST_TEST_LAYOUT(pc::number),
    PLANECAST_TEST_LAYOUT(pc::geometry),
    PLANECAST_TEST_LAYOUT(pc::kv_strides),
    PLANECAST_TEST_LAYOUT(pc::kv_view),
    PLANECAST_TEST_LAYOUT(pc::kv_pages),
    PLANECAST_TEST_LAYOUT(pc::fingerprint),
    PLANECAST_TEST_LAYOUT(pc::tile_shape),
    PLANECAST_TEST_LAYOUT(pc::per_token),
    PLANECAST_TEST_LAYOUT(pc::per_channel<64>),
    PLANECAST_TEST_LAYOUT(standard_policy),
    PLANECAST_TEST_LAYOUT(pc::planes<4, 4, pc::tail>),
    PLANECAST_TEST_LAYOUT(pc::tiers<4, 8, pc::lossless>),
    PLANECAST_TEST_LAYOUT(pc::cells<pc::bf16, 8>),
    PLANECAST_TEST_LAYOUT(pc::cells<pc::bf16, 8>::extent),
    PLANECAST_TEST_LAYOUT(pc::bit_reader),
    PLANECAST_TEST_LAYOUT(pc::bit_writer),
    PLANECAST_TEST_LAYOUT(pc::tile_layout<pc::per_token, pc::planes<4, 4, pc::tail>>),
    PLANECAST_TEST_LAYOUT(pc::encoded_tile),
    PLANECAST_TEST_LAYOUT(pc::cpu),
    PLANECAST_TEST_LAYOUT(pc::errc),
    PLANECAST_TEST_LAYOUT(pc::status),
    PLANECAST_TEST_LAYOUT(pc::error),
    PLANECAST_TEST_LAYOUT(pc::deadline),
    PLANECAST_TEST_LAYOUT(pc::event),
    PLANECAST_TEST_LAYOUT(pc::lane),
    PLANECAST_TEST_LAYOUT(pc::gather),
    PLANECAST_TEST_LAYOUT(pc::slot),
    PLANECAST_TEST_LAYOUT(pc::completion),
    PLANECAST_TEST_LAYOUT(pc::transport_limits),
    PLANECAST_TEST_LAYOUT(pc::pinned_tokens),
    PLANECAST_TEST_LAYOUT(pc::ranking),
    PLANECAST_TEST_LAYOUT(pc::upgrade_run),
    PLANECAST_TEST_LAYOUT(pc::upgrade_order),
    PLANECAST_TEST_LAYOUT(pc::budget),
    PLANECAST_TEST_LAYOUT(pc::cut_order),
    PLANECAST_TEST_LAYOUT(pc::loopback),
    PLANECAST_TEST_LAYOUT(pc::link_shape),
    PLANECAST_TEST_LAYOUT(pc::shaped<pc::loopback>),
    PLANECAST_TEST_LAYOUT(pc::faulty<pc::loopback>),
    PLANECAST_TEST_LAYOUT(pc::request),
    PLANECAST_TEST_LAYOUT(pc::frame_header),
    PLANECAST_TEST_LAYOUT(pc::hello),
    PLANECAST_TEST_LAYOUT(pc::sender_options),
    PLANECAST_TEST_LAYOUT(pc::receiver_options),
    PLANECAST_TEST_LAYOUT(pc::plan_options),
    PLANECAST_TEST_LAYOUT(pc::request_metrics),
    PLANECAST_TEST_LAYOUT(pc::stream_metrics),
    PLANECAST_TEST_LAYOUT(standard_stream::sender),
    PLANECAST_TEST_LAYOUT(standard_stream::sender::outgoing),
    PLANECAST_TEST_LAYOUT(standard_stream::receiver),
    PLANECAST_TEST_LAYOUT(standard_stream::receiver::incoming),
    PLANECAST_TEST_LAYOUT(pc::token_event),
    PLANECAST_TEST_LAYOUT(pc::speculate_options),
    PLANECAST_TEST_LAYOUT(pc::speculated),
};
#undef PLANECAST_TEST_LAYOUT

using unit_layouts = std::array<type_layout, layouts.size()>;

/// Fingerprint of the standard policy and of what the code makes of one row: the same in every unit.
inline std::uint64_t sample() noexcept {
  pc::cells<pc::bf16, 8> cells;
  cells.fit({pc::order_of(0xBF80), pc::order_of(0x4049)});
  pc::fingerprint seen;
  seen.add(standard_policy::fingerprint());
  for (std::uint32_t q = 0; q <= 256; ++q)
    seen.add(cells.first(q));
  return seen.value();
}

} // namespace planecast_test
