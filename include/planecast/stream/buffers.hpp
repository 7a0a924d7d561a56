// Memory for messages, used over and over.
#pragma once

#include "planecast/config.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// A message's memory.
struct buffer {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;

  [[nodiscard]] std::span<std::byte> room() const noexcept { return {bytes.get(), size}; }
};

/// Keeps a few buffers that are not in use.
class buffer_pool {
public:
  static constexpr std::size_t most_spare = 8;

  [[nodiscard]] buffer take(std::size_t size) {
    for (buffer& b : spare_)
      if (b.size == size) {
        std::swap(b, spare_.back());
        buffer found = std::move(spare_.back());
        spare_.pop_back();
        return found;
      }
    // Not std::make_unique, which would fill it with zeros first.
    return {std::unique_ptr<std::byte[]>(new std::byte[size]), size};
  }
  void give_back(buffer b) {
    if (spare_.size() < most_spare)
      spare_.push_back(std::move(b));
  }
  [[nodiscard]] std::size_t spare() const noexcept { return spare_.size(); }

private:
  std::vector<buffer> spare_;
};

} // namespace planecast::inline v0::detail
