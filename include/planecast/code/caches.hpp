// What a stream's ends keep their caches in, by the backend.
#pragma once

#include "planecast/code/assembly.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/code/spare_limits.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace planecast::inline v0 {

/// A backend that codes whole layers at once, in memory that the host does not reach, and says itself what it
/// keeps them in: a GPU. (One that codes tile by tile, as backend says, has coded_cache and assembly.)
///
///     place               What all requests of a stream's end share: made once for each end, of the
///                         spare_limits that its options say, or by default.
///     order               What put() and expect() name: behind which of the caller's work pages are read and
///                         written.
///     coded_cache<P>      As device_coded_cache.
///     assembly<P>         As device_assembly.
///
/// Example: `cuda`, in planecast/cuda/cuda.cuh.
// clang-format off
template <class B, class Policy>
concept layer_backend = requires(std::shared_ptr<typename B::place> p, tile_map<Policy> map, kv_view view,
                                 typename B::template coded_cache<Policy> sent,
                                 typename B::template assembly<Policy> received,
                                 typename B::order behind) {
  { sent.put(std::uint32_t{}, view, behind) } -> std::same_as<void>;
  { sent.come_to_rest(bool{}) } -> std::same_as<std::optional<std::uint32_t>>;
  { sent.busy() } -> std::same_as<bool>;
  { received.finish() } -> std::same_as<status>;
};
// clang-format on

namespace detail {

/// What a stream's ends keep: by a backend of tiles.
template <class Policy, class Backend>
struct caches {
  struct place {};
  struct order {};
  using sent = planecast::coded_cache<Policy, Backend>;
  using received = planecast::assembly<Policy, Backend>;

  static std::shared_ptr<place> make_place(const spare_limits&) { return std::make_shared<place>(); }
  static sent make_sent(const std::shared_ptr<place>&, tile_map<Policy> map, coding how) {
    return sent(std::move(map), how);
  }
  /// Does f, which returns a status.
  template <class F>
  static status guarded(F&& f) {
    return f();
  }
  static received make_received(const std::shared_ptr<place>&, tile_map<Policy> map,
                                std::vector<kv_pages> pages, order) {
    return received(std::move(map), std::move(pages));
  }
};
/// By one of layers.
template <class Policy, layer_backend<Policy> Backend>
struct caches<Policy, Backend> {
  using place = typename Backend::place;
  using order = typename Backend::order;
  using sent = typename Backend::template coded_cache<Policy>;
  using received = typename Backend::template assembly<Policy>;

  static std::shared_ptr<place> make_place(const spare_limits& most) {
    if constexpr (std::is_constructible_v<place, const spare_limits&>)
      return std::make_shared<place>(most);
    else
      return std::make_shared<place>();
  }
  static sent make_sent(const std::shared_ptr<place>& where, tile_map<Policy> map, coding how) {
    return sent(where, std::move(map), how);
  }
  /// Likewise; where the device fails, that.
  template <class F>
  static status guarded(F&& f) {
    try {
      return f();
    } catch (const error& e) {
      return e.status();
    }
  }
  static received make_received(const std::shared_ptr<place>& where, tile_map<Policy> map,
                                const std::vector<kv_pages>& pages, order behind) {
    return received(where, std::move(map), pages, behind);
  }
};

} // namespace detail
} // namespace planecast::inline v0
