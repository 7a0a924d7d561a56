// A cache that arrives by a script: at the n-th poll, these tokens rise to that tier.
#pragma once

#include "planecast/decode/speculate.hpp"
#include "planecast/policy/precision_policy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

namespace decode_test {

namespace pc = planecast;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

inline constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

using three_tiers = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                         pc::values<pc::per_token>>;

struct arrival {
  std::size_t poll;
  std::uint32_t token;
  int tier;
};

struct script {
  std::vector<arrival> arrivals;
  std::size_t first_light = never, focused = never, lost = never;
  bool drops_tokens = false;

  void whole(std::size_t poll, std::uint32_t tokens, int tier) {
    for (std::uint32_t t = 0; t < tokens; ++t)
      arrivals.push_back({poll, t, tier});
  }
};

/// Models planecast::arriving_cache.
template <class Policy = three_tiers>
class scripted_cache {
public:
  using policy = Policy;

  /// apply(token, tier) puts a token at a tier into the engine's pages.
  scripted_cache(std::uint32_t tokens, script s, std::function<void(std::uint32_t, int)> apply)
      : tiers_(tokens, -1), script_(std::move(s)), apply_(std::move(apply)) {
    std::ranges::stable_sort(script_.arrivals, {}, &arrival::poll);
  }

  pc::status poll() {
    constexpr pc::status lost{pc::errc::closed, "the script ends the link"};
    if (++polls_ > script_.lost)
      return lost;
    for (; next_ < script_.arrivals.size() && script_.arrivals[next_].poll <= polls_; ++next_) {
      const arrival& a = script_.arrivals[next_];
      if (a.tier > tiers_[a.token]) {
        tiers_[a.token] = a.tier;
        apply_(a.token, a.tier);
      }
    }
    if (polls_ >= script_.first_light)
      first_light_ = true;
    if (polls_ >= script_.focused)
      focused_ = true;
    return polls_ == script_.lost ? lost : pc::status{};
  }
  int tier() const { return *std::ranges::min_element(tiers_); }
  bool whole() const { return !script_.drops_tokens; }
  bool reached(pc::event e) const {
    return e == pc::first_light ? first_light_ : e == pc::focused && focused_;
  }
  pc::status wait(pc::event e, pc::deadline d) {
    for (;;) {
      if (reached(e))
        return {};
      if (const pc::status s = poll(); !s)
        return s;
      if (reached(e))
        return {};
      if (d.has_passed())
        return {pc::errc::timeout, "scripted"};
      if (next_ == script_.arrivals.size())
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  std::size_t polls() const { return polls_; }

private:
  std::vector<int> tiers_;
  script script_;
  std::function<void(std::uint32_t, int)> apply_;
  std::size_t polls_ = 0, next_ = 0;
  bool first_light_ = false, focused_ = false;
};

static_assert(pc::arriving_cache<scripted_cache<>>);

} // namespace decode_test
