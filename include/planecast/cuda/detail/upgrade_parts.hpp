// A frame of upgrades as the host cuts it for a device's blocks.
#pragma once

#include "planecast/cuda/detail/listed_plane.hpp"
#include "planecast/cuda/detail/upgrade_frame.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace planecast::inline v0::detail {

/// Parts of a frame that a device works on at a time: what they take of its memory is bounded by them.
template <class Device>
inline constexpr std::size_t parts_at_a_time = 1u << 15;

/// Cuts it into parts, those apart that have nothing in it, some at a time: of tails that take no bytes, one
/// frame may be about any number of rows. Borrows what it is made of. is_stored(layer, tile) says whether a
/// tile has no planes, any_stored(layer) whether some of a layer may have none.
template <class Map, class IsStored, class AnyStored>
class upgrade_cutter {
public:
  upgrade_cutter(const Map& map, const listed_plane& plane, IsStored is_stored, AnyStored any_stored)
      : map_(map), plane_(plane), is_stored_(is_stored), any_stored_(any_stored) {}

  /// The next parts, so many at most, of frames that have so many bytes.
  std::vector<upgrade_part> next(std::size_t most, std::uint64_t payload_bytes) {
    std::vector<upgrade_part> parts;
    for (; !done() && bytes_ <= payload_bytes; step()) {
      const std::uint32_t coded = coded_rows();
      if (coded == 0)
        continue;
      if (parts.size() == most) // some rows are left that have something in the frame
        break;
      parts.push_back({layer_, row_, plane_.lists[layer_].first + first_,
                       static_cast<std::uint32_t>(tokens().size()), static_cast<std::uint32_t>(bytes_)});
      const std::uint32_t dim = row_ % 2 == 1 ? map_.shape.value_dim : map_.shape.key_dim;
      bytes_ += std::uint64_t{coded} * (dim * Map::planes::width(plane_.plane) / 8);
    }
    return parts;
  }
  /// Whether there are no more rows.
  [[nodiscard]] bool done() const noexcept { return layer_ == map_.shape.layers; }
  /// Bytes of the rows so far, but of tails.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
  // Of the part: tokens that are listed.
  [[nodiscard]] std::span<const std::uint32_t> tokens() const noexcept {
    const auto all = plane_.of(layer_);
    return all.subspan(first_, std::min<std::size_t>(all.size() - first_, upgrade_rows::most));
  }
  void step() noexcept {
    first_ += upgrade_rows::most;
    if (first_ < plane_.of(layer_).size())
      return;
    first_ = 0;
    if (++row_ < 2 * map_.shape.heads(layer_))
      return;
    row_ = 0;
    ++layer_;
  }
  // How many of the part's rows are in the frame.
  [[nodiscard]] std::uint32_t coded_rows() const noexcept {
    if (plane_.plane < map_.base_planes(layer_))
      return 0;
    const auto rows = tokens();
    const auto all = static_cast<std::uint32_t>(rows.size());
    if (!any_stored_(layer_))
      return all;
    return all - static_cast<std::uint32_t>(std::ranges::count_if(rows, [&](std::uint32_t token) {
             return is_stored_(layer_, map_.index({row_ / 2, row_ % 2 == 1, map_.place(token).page}));
           }));
  }

  const Map& map_;
  const listed_plane& plane_;
  IsStored is_stored_;
  AnyStored any_stored_;
  std::uint32_t layer_ = 0, row_ = 0, first_ = 0; // where the next part begins
  std::uint64_t bytes_ = 0;
};

} // namespace planecast::inline v0::detail
