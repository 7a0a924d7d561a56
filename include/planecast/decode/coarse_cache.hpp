// An engine's cache as it would be at first light, put into the engine's own pages.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/plan/budget.hpp"
#include "planecast/status.hpp"
#include "planecast/stream/plane_stream.hpp"
#include "planecast/transport/loopback.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace planecast::inline v0::detail {

/// Codes a cache once for each time that it is to be coarsened, for a second time there is nothing left to
/// code; then sends it to where it came from. Both ends of the link are here, and driven by turns.
template <class Policy>
class coarse_cache {
  using stream = plane_stream<Policy, loopback>;

public:
  /// Errors: throws `error` for a shape that cannot be coded, std::invalid_argument for views that do not
  /// fit.
  template <class E>
  coarse_cache(E& e, const geometry& shape, std::uint32_t tokens, std::size_t times,
               std::chrono::milliseconds timeout)
      : tokens_(tokens), layers_(shape.layers), timeout_(timeout), ends_(loopback::pair()),
        out_(std::move(ends_.first), shape, {.linger = {}}),
        in_(std::move(ends_.second), shape, {.linger = {}}) {
    for (std::uint64_t id = 0; id < times; ++id)
      shots_.push_back(out_.open({.id = id, .tokens = tokens}));
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      const kv_view view = std::as_const(e).view(layer, tokens);
      for (auto& shot : shots_)
        check(shot.put(layer, view));
    }
    for (auto& shot : shots_)
      check(shot.wait(source_free, timeout)); // nothing is written before everything was read
  }

  /// Fills the pages with what a plan sends before first light. False where the budget was below the base,
  /// which is then all that there is. Each id once.
  /// Preconditions: the engine holds the cache's tokens, whatever they are by now.
  template <class E>
  bool fill(E& e, std::uint64_t id, budget b, std::span<const float> scores, const plan_options& how) {
    auto& shot = shots_[id];
    status planned = shot.plan(b, scores, how);
    const bool feasible = !(planned == errc::infeasible);
    if (!feasible)
      planned = shot.plan(budget::base(), scores, how);
    check(planned);
    std::vector<kv_pages> pages; // anew each time: since the last the engine may have moved them
    for (std::uint32_t layer = 0; layer < layers_; ++layer)
      pages.push_back(e.pages(layer, tokens_));
    auto kv = in_.expect({.id = id, .tokens = tokens_}, std::move(pages));
    const deadline until(timeout_);
    while (!kv.reached(first_light)) {
      const bool last = until.has_passed();
      check(out_.progress(deadline::passed()));
      check(shot.status());
      if (const status s = kv.wait(first_light, deadline::passed());
          !s.ok() && (last || !(s == errc::timeout)))
        throw error(s);
    }
    kv.cancel(); // the rest would only make it sharper
    return feasible;
  }

private:
  std::uint32_t tokens_, layers_;
  std::chrono::milliseconds timeout_;
  std::pair<loopback, loopback> ends_;
  typename stream::sender out_;
  typename stream::receiver in_;
  std::vector<typename stream::sender::outgoing> shots_;
};

} // namespace planecast::inline v0::detail
