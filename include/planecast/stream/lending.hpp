// A transport, and the memory that it borrows until an operation completes.
#pragma once

#include "planecast/stream/buffers.hpp"
#include "planecast/transport/transport.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

enum class operation : std::uint8_t { none, control_send, data_send, control_slot, data_slot };

/// Numbers operations and keeps their memory until the link is done with it.
template <transport T>
class lending {
public:
  struct loan {
    operation what = operation::none;
    buffer memory;
    std::size_t length = 0;
  };

  explicit lending(T link) : link_(std::move(link)) {}

  [[nodiscard]] T& link() noexcept { return link_; }

  /// Gives the link the first `length` bytes of b, to send or to fill; b is its until the operation ends. If
  /// the link does not take it, b is still the caller's.
  status start(operation what, buffer& b, std::size_t length) {
    if (free_.empty()) {
      free_.push_back(loans_.size());
      loans_.emplace_back();
    }
    const std::size_t id = free_.back();
    const lane on = what == operation::data_send || what == operation::data_slot ? lane::data : lane::control;
    const std::span<std::byte> bytes = b.room().first(length);
    const std::array<std::span<const std::byte>, 1> pieces{bytes};
    const bool sends = what == operation::data_send || what == operation::control_send;
    const status s = sends ? link_.send(on, pieces, id) : link_.receive(on, bytes, id);
    if (s.ok()) {
      free_.pop_back();
      loans_[id] = {what, std::move(b), length};
    }
    return s;
  }
  /// What an operation that has completed was, and its memory; `none` for one that was not under way.
  loan end(op_id id) {
    if (id >= loans_.size() || loans_[id].what == operation::none)
      return {};
    free_.push_back(id);
    return std::exchange(loans_[id], {});
  }

private:
  // What the link borrows stands before the link, which is destroyed first.
  std::vector<loan> loans_;
  std::vector<std::size_t> free_;
  T link_;
};

} // namespace planecast::inline v0::detail
