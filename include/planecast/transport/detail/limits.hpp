// What a transport refuses before it takes an operation: counted and said in one way by all of them.
#pragma once

#include "planecast/transport/transport.hpp"

#include <cstddef>

namespace planecast::inline v0::detail {

// How a transport names what was too much.
struct limit_names {
  const char* bytes;
  const char* pieces;
  const char* operations;
};

inline std::size_t bytes_of(gather g) noexcept {
  std::size_t bytes = 0;
  for (const auto& piece : g)
    bytes += piece.size();
  return bytes;
}

inline status admit_message(const transport_limits& most, const limit_names& names, gather g,
                            std::size_t bytes) noexcept {
  if (bytes > most.message_bytes)
    return {errc::limit, names.bytes, most.message_bytes, bytes};
  if (g.size() > most.pieces)
    return {errc::limit, names.pieces, most.pieces, g.size()};
  return {};
}

// One more of a kind on a lane, beside those under way.
inline status admit_operation(const transport_limits& most, const char* name,
                              std::size_t under_way) noexcept {
  if (under_way >= most.operations)
    return {errc::limit, name, most.operations, under_way + 1};
  return {};
}

inline status admit_send(const transport_limits& most, const limit_names& names, gather g, std::size_t bytes,
                         std::size_t under_way) noexcept {
  const status s = admit_message(most, names, g, bytes);
  return s.ok() ? admit_operation(most, names.operations, under_way) : s;
}

} // namespace planecast::inline v0::detail
