// Memory that was given back, for the next who asks.
#pragma once

#include "planecast/config.hpp"
#include "planecast/status.hpp"

#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

namespace planecast::inline v0::detail {

/// Keeps memory that is given back: asking a device's runtime takes long, and giving back waits for the whole
/// device. It keeps so many bytes at most; the rest goes back. A runtime has take(bytes), which throws
/// `error`, and give_back(pointer).
template <class Runtime>
class spare_memory {
public:
  explicit spare_memory(std::size_t most_bytes) noexcept : most_(most_bytes) {}
  spare_memory(const spare_memory&) = delete;
  spare_memory& operator=(const spare_memory&) = delete;
  ~spare_memory() { trim(0); }

  /// Memory for so many bytes, and how many it has: at most twice as many. Where the runtime has none left,
  /// what is kept goes back to it first.
  std::pair<std::byte*, std::size_t> take(std::size_t bytes) {
    const std::size_t size = size_of(bytes);
    if (const auto found = spare_.lower_bound(size); found != spare_.end() && found->first <= 2 * size) {
      const auto [has, at] = *found;
      spare_.erase(found);
      bytes_ -= has;
      return {at, has};
    }
    try {
      return {Runtime::take(size), size};
    } catch (const error&) {
      if (spare_.empty())
        throw;
    }
    trim(0);
    return {Runtime::take(size), size};
  }
  /// Of memory that was taken, and has so many bytes.
  void give_back(std::byte* at, std::size_t size) noexcept {
    try {
      spare_.emplace(size, at);
      bytes_ += size;
    } catch (...) { // no memory to note it
      Runtime::give_back(at);
    }
    trim(most_);
  }
  /// Bytes that are kept.
  [[nodiscard]] std::size_t kept() const noexcept { return bytes_; }

private:
  // Few sizes, so that what was one layer's serves another: at most an eighth is lost.
  static std::size_t size_of(std::size_t bytes) noexcept {
    std::size_t step = 256;
    while (16 * step < bytes)
      step *= 2;
    return max((bytes + step - 1) / step, std::size_t{1}) * step;
  }
  void trim(std::size_t most) noexcept {
    while (bytes_ > most) {
      const auto last = std::prev(spare_.end()); // the largest
      Runtime::give_back(last->second);
      bytes_ -= last->first;
      spare_.erase(last);
    }
  }

  std::multimap<std::size_t, std::byte*> spare_;
  std::size_t most_, bytes_ = 0;
};

} // namespace planecast::inline v0::detail
