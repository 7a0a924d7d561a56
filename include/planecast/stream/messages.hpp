// Payloads that are not coded values: who the peers are, and the plan of a request.
#pragma once

#include "planecast/cache/geometry.hpp"
#include "planecast/code/item_map.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/plan/upgrades.hpp"
#include "planecast/stream/frame.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace planecast::inline v0 {

namespace detail {
// Of a plan on the wire: what stands before its runs, and each run.
inline constexpr std::uint64_t plan_fixed_bytes = 24, plan_run_bytes = 12;
} // namespace detail

/// What an order of upgrades is over. The values go on the wire: they do not change.
enum class order_scope : std::uint32_t {
  across_layers = 0, ///< items are tokens, of all layers together
  per_layer = 1,     ///< items are tokens of one layer each
};

/// The least chunk_bytes for a shape: a frame holds one item's longest upgrade, one tile's base, or the plan,
/// at least. An order per layer can do with shorter frames, for its items are shorter.
template <class Policy>
[[nodiscard]] constexpr std::uint64_t least_chunk_bytes(const geometry& shape,
                                                        order_scope scope = order_scope::across_layers) {
  std::uint64_t heads = shape.all_heads();
  if (scope == order_scope::per_layer) {
    heads = 0;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      heads = std::max<std::uint64_t>(heads, shape.heads(layer));
  }
  const std::uint64_t padding = 2 * heads; // of tails, to bytes
  std::uint64_t least = heads * (shape.key_dim + shape.value_dim) * 2 + padding;
  tile_map<Policy>{shape, Policy::page_tokens}.with_whole_layouts(
      [&](auto layout) { least = std::max<std::uint64_t>(least, layout.bound()); });
  // An order has a run for each plane above the base, of the pinned items and of the others; or more, which
  // the sender groups until they fit.
  constexpr std::uint64_t runs = 2 * (Policy::planes::count - Policy::base_planes);
  return std::max(least, detail::plan_fixed_bytes + detail::plan_run_bytes * runs);
}

/// Which end says hello. The values go on the wire: they do not change.
enum class role : std::uint32_t { sender = 1, receiver = 2 };

/// What each side says first. On the wire it is 16 little-endian u64: role, chunk_bytes, dtype, layers,
/// kv_heads (0 if layers differ), key_dim, value_dim, geometry fingerprint, page_tokens, planes, policy
/// fingerprint, the shard's layer_first, layer_count (counted, not 0 for all), rank, ranks, zero.
struct hello {
  role who = role::sender;       ///< the end that says it
  std::uint32_t chunk_bytes = 0; ///< sender: longest payload it will send; receiver: longest it will take
  geometry model;                ///< the whole of it
  shard carried;                 ///< the piece of it that goes over this connection
  std::uint32_t page_tokens = 0; ///< of the policy
  std::uint32_t planes = 0;      ///< how many the policy has
  std::uint64_t policy = 0;      ///< the policy's fingerprint

  /// Numbers that it has on the wire.
  static constexpr std::size_t count = 16, bytes = count * 8; ///< of its payload

  /// What an end with these options says. With chunk_bytes 0 it is `usual`, or more where the shape needs
  /// more.
  /// Errors: throws `error` for a shape that cannot be coded, a shard that it does not have, and chunks that
  /// are too short for it.
  template <class Policy>
  static hello of(role who, std::uint32_t chunk_bytes, std::uint32_t usual, const geometry& model,
                  const shard& carried) {
    check(model.check(carried));
    if (Policy::planes::code_bits >= 8 * value_bytes(model.dtype))
      throw error(
          {errc::unsupported, "policy: its code is no shorter than the values; fp8 takes planes<4, tail>"});
    const geometry part = model.of(carried);
    const std::uint64_t least = least_chunk_bytes<Policy>(part, order_scope::per_layer);
    const std::uint64_t enough = least_chunk_bytes<Policy>(part); // for any order
    if (chunk_bytes != 0 && chunk_bytes < least)
      throw error({errc::limit,
                   "chunk_bytes: one token's upgrade of a layer, one tile, or the plan is longer",
                   chunk_bytes, least});
    if (chunk_bytes == 0 && enough > 0xFFFF'FFFFu - frame_header_bytes)
      throw error({errc::limit, "chunk_bytes: one token's upgrade, one tile, or the plan is longer",
                   0xFFFF'FFFFu - frame_header_bytes, enough});
    if (chunk_bytes == 0)
      chunk_bytes = std::max(usual, static_cast<std::uint32_t>(enough));
    return {
        who, chunk_bytes, model, carried, Policy::page_tokens, Policy::planes::count, Policy::fingerprint()};
  }

  /// The numbers, in the order of the wire.
  [[nodiscard]] std::array<std::uint64_t, count> fields() const {
    return {static_cast<std::uint64_t>(who),
            chunk_bytes,
            static_cast<std::uint64_t>(model.dtype),
            model.layers,
            model.uniform_heads(),
            model.key_dim,
            model.value_dim,
            model.fingerprint(),
            page_tokens,
            planes,
            policy,
            carried.layer_first,
            model.of(carried).layers,
            carried.rank,
            carried.ranks,
            0};
  }
  /// Adds them to a frame's payload.
  void write(frame_writer& to) const {
    for (const std::uint64_t field : fields())
      to.add_number(field);
  }

  /// Compares with the payload of the peer's hello. A fingerprint comes after the fields that go into it, so
  /// that a field with a name is named.
  /// Errors: `mismatch`, about the first field on which the two disagree; `corrupt` for another length.
  [[nodiscard]] status compare(std::span<const std::byte> theirs) const {
    constexpr std::array<const char*, count> names = {
        "role",
        "chunk_bytes",
        "geometry: dtype, 1 for fp16, 2 for bf16, 3 for fp8 e4m3, 4 for fp8 e5m2",
        "geometry: layers",
        "geometry: kv_heads, 0 where layers differ",
        "geometry: key_dim",
        "geometry: value_dim",
        "geometry: kv_heads_by_layer, as fingerprints",
        "policy: page_tokens",
        "policy: planes",
        "policy: tiers, keys, values or planes, as fingerprints",
        "shard: layer_first",
        "shard: layer_count",
        "shard: rank",
        "shard: ranks",
        "hello: reserved field"};
    if (theirs.size() != bytes)
      return {errc::corrupt, "hello: not of its length"};
    const auto mine = fields();
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const auto there = detail::load<std::uint64_t>(&theirs[8 * i]);
      bool good = mine[i] == there;
      if (i == 0) // the other role
        good = there + mine[i] == 3 && (there == 1 || there == 2);
      else if (i == 1) // the sender's chunks fit the receiver's slots
        good = who == role::sender ? mine[i] <= there : there <= mine[i];
      if (!good)
        return {errc::mismatch, names[i], mine[i], there};
    }
    return {};
  }
};

/// An upgrade order and where it is cut. On the wire it is u64 light_upgrades, u32 number of runs, u32 number
/// of ranks, u32 order_scope, u32 zero, and for each run u32 plane, first, count; then the items follow in
/// `order` frames (u32 each).
struct upgrade_plan {
  upgrade_order order;              ///< what is sent, in the order of sending
  std::uint64_t light_upgrades = 0; ///< so many, an item's plane each, come before decoding starts

  /// Payload beside the runs.
  static constexpr std::size_t fixed_bytes = detail::plan_fixed_bytes,
                               run_bytes = detail::plan_run_bytes; ///< payload of a run
  /// Stands for an item that has not come.
  static constexpr std::uint32_t unknown = 0xFFFF'FFFFu;

  /// Bytes of its payload.
  [[nodiscard]] std::size_t bytes() const noexcept { return fixed_bytes + run_bytes * order.runs.size(); }

  /// Adds all but the items to a frame's payload.
  void write(frame_writer& to) const noexcept {
    to.add_number(light_upgrades);
    to.add_number(static_cast<std::uint32_t>(order.runs.size()));
    to.add_number(static_cast<std::uint32_t>(order.items.size()));
    to.add_number(
        static_cast<std::uint32_t>(order.per_layer ? order_scope::per_layer : order_scope::across_layers));
    to.add_number(std::uint32_t{0});
    for (const upgrade_run& run : order.runs)
      for (const std::uint32_t field : {run.plane, run.first, run.count})
        to.add_number(field);
  }

  /// Reads all but the items from a payload, for a request of the tokens from position `first` on in so many
  /// layers. Items are then unknown, as many as there will be.
  /// Errors: `corrupt` for what cannot be a plan: runs of ranks or planes that are not there, more ranks or
  /// more upgrades than the items have planes above base_planes, more before the cut than there is.
  [[nodiscard]] status read(std::span<const std::byte> in, const item_map& layered, std::uint32_t base_planes,
                            std::uint32_t plane_count) {
    const status bad{errc::corrupt, "plan: makes no sense"};
    if (in.size() < fixed_bytes)
      return bad;
    const auto run_count = detail::load<std::uint32_t>(&in[8]), ranks = detail::load<std::uint32_t>(&in[12]);
    const auto scope = detail::load<std::uint32_t>(&in[16]);
    if (scope > 1 || detail::load<std::uint32_t>(&in[20]) != 0 ||
        in.size() != fixed_bytes + run_bytes * std::size_t{run_count})
      return bad;
    order.per_layer = scope == static_cast<std::uint32_t>(order_scope::per_layer);
    const item_map map = items_of(layered);
    if (!map.numberable())
      return bad;
    const std::uint64_t most = std::uint64_t{map.count()} * (plane_count - base_planes);
    if (ranks > most)
      return bad;
    std::uint64_t upgrades = 0;
    order.runs.clear();
    for (std::size_t at = fixed_bytes; at < in.size(); at += run_bytes) {
      const upgrade_run run{detail::load<std::uint32_t>(&in[at]), detail::load<std::uint32_t>(&in[at + 4]),
                            detail::load<std::uint32_t>(&in[at + 8])};
      if (run.count == 0 || run.first > ranks || run.count > ranks - run.first || run.plane < base_planes ||
          run.plane >= plane_count)
        return bad;
      upgrades += run.count;
      order.runs.push_back(run);
    }
    light_upgrades = detail::load<std::uint64_t>(&in[0]);
    if (upgrades > most || light_upgrades > upgrades)
      return bad;
    order.items.assign(ranks, unknown);
    return {};
  }
  /// Looks at a plan whose items are all there.
  /// Preconditions: read() was ok, and the items are items_of()'s.
  /// Errors: `corrupt` unless every item's planes rise one by one from base_planes.
  [[nodiscard]] status check(const item_map& layered, std::uint32_t base_planes) const {
    const item_map map = items_of(layered);
    std::vector<std::uint8_t> held(map.count(), static_cast<std::uint8_t>(base_planes));
    for (const upgrade_run& run : order.runs)
      for (std::uint32_t rank = run.first; rank < run.first + run.count; ++rank)
        if (held[map.index(order.items[rank])]++ != run.plane)
          return {errc::corrupt, "plan: an item's planes do not come one by one"};
    return {};
  }
  /// Its items, of a request whose layers are told apart in `layered`.
  [[nodiscard]] item_map items_of(item_map layered) const noexcept {
    layered.layers = order.per_layer ? layered.layers : 1;
    return layered;
  }
};

} // namespace planecast::inline v0
