// Frames of upgrades out of tiles in slots, gathered by a runner: the payload and the checksum that the
// processor's tiles give.
#pragma once

#include "planecast/code/coded_cache.hpp"
#include "planecast/cpu/plain.hpp"
#include "planecast/cuda/detail/gather_program.hpp"
#include "planecast/cuda/device_gather.hpp"
#include "planecast/policy/precision_policy.hpp"
#include "planecast/stream/frame.hpp"

#include "code/rows.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace planecast_test {

/// Rows of four bits, and tails.
using standard_gather = planecast::precision_policy<planecast::tiers<4, 8, planecast::lossless>,
                                                    planecast::keys<planecast::per_channel<64>>,
                                                    planecast::values<planecast::per_token>>;
/// Rows of one bit.
using narrow_gather =
    planecast::precision_policy<planecast::tiers<2, 3, 4>, planecast::keys<planecast::balanced>,
                                planecast::values<planecast::per_token_groups<24>>>;
/// Rows of values alone.
using half_stored_gather = planecast::precision_policy<planecast::tiers<4, planecast::lossless>,
                                                       planecast::keys<planecast::verbatim>,
                                                       planecast::values<planecast::per_token>>;

/// What was among the frames.
struct frames_seen {
  std::uint32_t longest = 0;    ///< bytes of a payload
  std::uint32_t most_rows = 0;  ///< of a frame
  std::uint32_t empty = 0;      ///< payloads of no bytes, though there are rows
  std::uint32_t stored = 0;     ///< tiles
  std::uint32_t no_tails = 0;   ///< tokens of coded tiles
  std::uint32_t too_little = 0; ///< room

  /// Whether all kinds were, and payloads of several blocks out of several groups of rows.
  [[nodiscard]] bool all() const {
    return longest > 2 * planecast::detail::gather_program::part_bytes &&
           most_rows > 2 * planecast::detail::rows_together && empty > 0 && stored > 0 && no_tails > 0 &&
           too_little > 0;
  }
};

/// A layer of random values, and its tiles in slots.
template <class Policy, template <class> class Allocator>
class gather_source {
public:
  using layer_type = planecast::gather_layer<typename Policy::key_quantizer, typename Policy::value_quantizer,
                                             typename Policy::planes>;
  layer_type layer;

  gather_source(const planecast::tile_map<Policy>& map, std::uint32_t index, bool plain_values,
                random_source& random, frames_seen& seen)
      : heads_(map.shape.heads(index)) {
    fill(map.shape.key_dim, keys_, map.tokens, plain_values, random);
    fill(map.shape.value_dim, values_, map.tokens, plain_values, random);
    code(layer.keys, map, map.shape.key_dim, keys_, coded_keys_, seen);
    code(layer.values, map, map.shape.value_dim, values_, coded_values_, seen);
  }
  gather_source(gather_source&&) = default;

  [[nodiscard]] planecast::kv_view view(const planecast::tile_map<Policy>& map) const {
    return planecast::kv_view(keys_.data(), planecast::kv_strides::nhd(heads_, map.shape.key_dim),
                              values_.data(), planecast::kv_strides::nhd(heads_, map.shape.value_dim),
                              map.tokens);
  }
  void list(std::span<const std::uint32_t> tokens) {
    listed_.assign(tokens.begin(), tokens.end());
    listed_.push_back(~0u); // nobody asks for it
    layer.tokens = listed_.data();
    layer.count = static_cast<std::uint32_t>(tokens.size());
  }

private:
  struct slots {
    std::vector<std::uint64_t, Allocator<std::uint64_t>> bytes;
    std::vector<std::uint32_t, Allocator<std::uint32_t>> ends;
    std::vector<planecast::encoded_tile, Allocator<planecast::encoded_tile>> coded;
  };

  // By head and page: like a real cache's, all alike (they have no tails), or such that a tile is stored.
  void fill(std::uint32_t dim, std::vector<std::uint16_t>& values, std::uint32_t tokens, bool plain,
            random_source& random) const {
    values.resize(std::size_t{tokens} * heads_ * dim);
    for (std::uint32_t page = 0; page * Policy::page_tokens < tokens; ++page)
      for (std::uint32_t head = 0; head < heads_; ++head) {
        const std::uint32_t kind = plain ? 1 : random.below(4);
        const std::uint32_t end = std::min(tokens, (page + 1) * Policy::page_tokens);
        for (std::uint32_t t = page * Policy::page_tokens; t < end; ++t)
          for (std::uint32_t c = 0; c < dim; ++c)
            values[(std::size_t{t} * heads_ + head) * dim + c] =
                kind == 1   ? std::uint16_t{0x3F80}
                : kind == 2 ? static_cast<std::uint16_t>(random.pattern())
                            : nearest<planecast::bf16>(random.gaussian());
      }
  }
  template <class Q, class Planes>
  void code(planecast::device_tiles<Q, Planes>& to, const planecast::tile_map<Policy>& map, std::uint32_t dim,
            const std::vector<std::uint16_t>& values, slots& in, frames_seen& seen) const {
    to.tokens = map.tokens;
    to.first = map.first;
    to.heads = heads_;
    to.dim = dim;
    to.page_tokens = Policy::page_tokens;
    in.bytes.assign(to.memory_bytes() / 8 + 2, 0xA5A5A5A5A5A5A5A5u);
    in.ends.assign(to.ends(), 0xA5A5A5A5u);
    in.coded.resize(to.tiles());
    const auto at = reinterpret_cast<std::uintptr_t>(in.bytes.data());
    to.bytes = reinterpret_cast<std::byte*>((at + 15) / 16 * 16);
    to.tail_ends = in.ends.data();
    to.coded = in.coded.data();
    for (std::uint32_t k = 0; k < to.tiles(); ++k) {
      const std::uint32_t page = k % to.pages();
      const auto layout = to.layout(page);
      std::vector<std::byte> tile(layout.bound());
      const auto* const first = reinterpret_cast<const std::byte*>(
          &values[(std::size_t{to.first_of(page)} * heads_ + k / to.pages()) * dim]);
      in.coded[k] = planecast::plain_cpu::encode(
          planecast::number::bf16, layout,
          planecast::source_rows{first, static_cast<std::ptrdiff_t>(std::size_t{2} * heads_ * dim)},
          tile.data(), to.ends_of(k));
      std::memcpy(to.tile(k), tile.data(), in.coded[k].bytes);
      seen.stored += in.coded[k].stored ? 1 : 0;
      for (std::uint32_t t = 0; t < layout.shape.tokens && !in.coded[k].stored; ++t)
        seen.no_tails += to.ends_of(k)[t] == (t == 0 ? 0 : to.ends_of(k)[t - 1]) ? 1 : 0;
    }
  }

  std::uint32_t heads_;
  std::vector<std::uint16_t> keys_, values_;
  slots coded_keys_, coded_values_;
  std::vector<std::uint32_t, Allocator<std::uint32_t>> listed_;
};

/// Gathers one frame. The header is the host's; what it says of the payload is the device's.
template <class Layers, class Runner>
std::string frame_trouble(Runner&& run, Layers& layers, std::uint32_t plane,
                          const std::vector<std::byte>& payload, random_source& random, frames_seen& seen) {
  using namespace planecast;
  using runner = std::remove_cvref_t<Runner>;
  const std::uint32_t rows = number_rows(std::span(layers));
  const auto length = static_cast<std::uint32_t>(payload.size());
  seen.longest = std::max(seen.longest, length);
  seen.most_rows = std::max(seen.most_rows, rows);
  seen.empty += rows > 0 && length == 0 ? 1 : 0;

  const std::uint32_t how = random.below(8);
  const std::uint32_t room = how == 0  ? random.below(length + 1)
                             : how < 4 ? length
                                       : length + random.below(9000);
  const std::size_t at = 4 * random.below(4);
  constexpr std::byte poison{0x5A};
  std::vector<std::byte, typename runner::template allocator<std::byte>> to(at + room + 16, poison);
  std::vector<std::uint64_t, typename runner::template allocator<std::uint64_t>> workspace(
      gather_workspace_bytes(rows) / 8 + 2, 0xA5A5A5A5A5A5A5A5u);
  std::vector<gathered_payload, typename runner::template allocator<gathered_payload>> result(
      1, gathered_payload{random.bits(), random.bits()}); // of an earlier frame
  if (std::string wrong = run.gather(
          layers, rows, plane,
          gather_target{to.data() + at, room, reinterpret_cast<std::byte*>(workspace.data()), result.data()});
      !wrong.empty())
    return wrong;

  if (workspace.back() != 0xA5A5A5A5A5A5A5A5u)
    return "it writes beyond its workspace";
  if (result[0].bytes != length)
    return "a payload of another length";
  const std::size_t written = length <= room ? length : 0;
  const auto begin = to.begin() + static_cast<std::ptrdiff_t>(at),
             end = begin + static_cast<std::ptrdiff_t>(written);
  const auto untouched = [&](std::byte b) { return b == poison; };
  if (!std::all_of(to.begin(), begin, untouched) || !std::all_of(end, to.end(), untouched))
    return "it writes beside the payload";
  if (length > room) {
    ++seen.too_little;
    return "";
  }
  if (!std::equal(begin, end, payload.begin()))
    return "other bytes";

  std::vector<std::byte> expected(frame_header_bytes + length), found(frame_header_bytes);
  frame_header header{
      .kind = frame_kind::upgrade, .plane = static_cast<std::uint8_t>(plane), .layer_count = 1};
  frame_writer writer(expected);
  writer.add(payload);
  writer.finish(header);
  header.payload_bytes = static_cast<std::uint32_t>(result[0].bytes);
  header.payload_checksum = result[0].checksum;
  write_header(header, found.data());
  found.insert(found.end(), begin, end);
  return found == expected ? "" : "another checksum";
}

/// What goes wrong; nothing, if all is well. A runner has an allocator of memory that it reaches, and
///
///     gather(layers, rows, plane, target)
///
/// which says what goes wrong there.
template <class Policy, class Runner>
std::string gather_trouble(Runner&& run, std::uint64_t seed, frames_seen& seen) {
  using namespace planecast;
  using runner = std::remove_cvref_t<Runner>;
  using source = gather_source<Policy, runner::template allocator>;
  random_source random(seed);
  tile_map<Policy> map;
  map.shape.layers = 1 + random.below(3);
  for (std::uint32_t l = 0; l < map.shape.layers; ++l)
    map.shape.kv_heads_by_layer.push_back(1 + random.below(3));
  map.shape.key_dim = 8 * (1 + random.below(random.below(5) == 0 ? 72 : 12));
  map.shape.value_dim = 8 * (1 + random.below(12));
  map.tokens = 1 + random.below(random.below(4) == 0 ? 300 : 150);
  map.first = random.coin() ? 0 : random.below(map.tokens);
  const bool plain_values = random.below(8) == 0;

  coded_cache<Policy, plain_cpu> cache(map, coding::planes);
  std::vector<source> sources;
  for (std::uint32_t l = 0; l < map.shape.layers; ++l) {
    sources.emplace_back(map, l, plain_values, random, seen);
    cache.put(l, sources.back().view(map));
  }

  for (std::uint32_t frame = 0; frame < 4; ++frame) {
    const std::uint32_t plane =
        Policy::base_planes + random.below(Policy::planes::count - Policy::base_planes);
    const item_map all{random.coin() ? map.shape.layers : 1, map.tokens, map.first};
    std::vector<std::uint32_t> chosen;
    for (std::uint32_t l = 0; l < all.layers; ++l)
      for (std::uint32_t t = all.first; t < all.tokens; ++t)
        chosen.push_back(all.item(l, t));
    for (std::size_t i = chosen.size(); i > 1; --i)
      std::swap(chosen[i - 1], chosen[random.below(static_cast<std::uint32_t>(i))]);
    if (frame > 0)
      chosen.resize(random.below(static_cast<std::uint32_t>(chosen.size() + 1)));
    const auto gathered = [&](const detail::listed_items& items) -> std::string {
      using layer = typename source::layer_type;
      std::vector<layer, typename runner::template allocator<layer>> layers;
      for (std::uint32_t l = 0; l < map.shape.layers; ++l) {
        sources[l].list(items.of(l));
        layers.push_back(sources[l].layer);
      }
      std::vector<std::byte> payload;
      cache.give_upgrade(plane, items, [&](std::span<const std::byte> row) {
        payload.insert(payload.end(), row.begin(), row.end());
      });
      return frame_trouble(run, layers, plane, payload, random, seen);
    };
    const std::string wrong = all.layers == 1 ? gathered(detail::listed_items(map.shape.layers, chosen))
                                              : gathered(detail::listed_items(all, chosen));
    if (!wrong.empty())
      return wrong;
  }
  return "";
}

} // namespace planecast_test
