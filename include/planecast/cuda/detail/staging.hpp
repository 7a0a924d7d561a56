// Small and large things on their way to a device.
#pragma once

#include "planecast/cache/bytes.hpp"
#include "planecast/cuda/device.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// Brings bytes to a device through pinned memory, and keeps that, and what programs work in, until it is
/// told that they are done with it.
template <device Device>
class staging {
public:
  static constexpr std::size_t alignment = 16; ///< where everything begins

  /// Copies several things by one copy. They are there for what is enqueued from now on, each with zeros up
  /// to a multiple of 16: kernels read words.
  template <std::size_t N>
  std::array<std::byte*, N> bring(Device& on, const std::array<std::span<const std::byte>, N>& things) {
    std::size_t all = 0;
    for (const auto& thing : things)
      all += align_up(thing.size(), alignment);
    auto here = on.pinned(all), there = on.memory(all);
    held_.reserve(held_.size() + 2); // nothing fails once the copy is under way
    std::array<std::byte*, N> at;
    std::size_t before = 0;
    for (std::size_t i = 0; i < N; ++i) {
      const std::size_t bytes = things[i].size(), whole = align_up(bytes, alignment);
      at[i] = there.get() + before;
      std::copy_n(things[i].data(), bytes, here.get() + before);
      std::fill_n(here.get() + before + bytes, whole - bytes, std::byte{0});
      before += whole;
    }
    on.to_device(device_queue::code, there.get(), here.get(), all);
    keep(std::move(here), all);
    keep(std::move(there), all);
    return at;
  }
  /// Memory of the device for so many.
  template <class T>
  T* room(Device& on, std::size_t count) {
    const std::size_t bytes = std::max<std::size_t>(sizeof(T) * count, 1);
    keep(on.memory(bytes), bytes);
    return reinterpret_cast<T*>(held_.back().get());
  }
  /// Bytes that are kept.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// Lets go of it.
  /// Preconditions: nothing that was enqueued works on it any more.
  void release() noexcept {
    held_.clear();
    bytes_ = 0;
  }

private:
  void keep(std::shared_ptr<std::byte> memory, std::uint64_t size) {
    held_.push_back(std::move(memory));
    bytes_ += size;
  }

  std::vector<std::shared_ptr<std::byte>> held_;
  std::uint64_t bytes_ = 0;
};

} // namespace planecast::inline v0::detail
