#include "planecast/plan/layered_importance.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <vector>

namespace plan_layered_importance_test {

using namespace planecast;

namespace {

// The least that is a layered importance. Each near miss below changes one thing of it.
struct minimal {
  [[nodiscard]] std::uint32_t layers() const noexcept { return 2; }
  void score(std::uint32_t layer, std::uint32_t first, std::span<float> out) const {
    for (float& s : out)
      s = static_cast<float>(layer * 100 + first++);
  }
};
static_assert(layered_importance<minimal>);

struct nothing {};
struct knows_no_layers {
  void score(std::uint32_t, std::uint32_t, std::span<float>) const {}
};
struct may_fail_to_count {
  std::uint32_t layers() const;
  void score(std::uint32_t, std::uint32_t, std::span<float>) const {}
};
struct counts_in_int {
  int layers() const noexcept;
  void score(std::uint32_t, std::uint32_t, std::span<float>) const {}
};
struct counts_by_changing {
  std::uint32_t layers() noexcept;
  void score(std::uint32_t, std::uint32_t, std::span<float>) const {}
};
struct changes_when_asked {
  std::uint32_t layers() const noexcept;
  void score(std::uint32_t, std::uint32_t, std::span<float>) {}
};
struct scores_all_layers_alike {
  std::uint32_t layers() const noexcept;
  void score(std::uint32_t, std::span<float>) const {}
};
struct returns_scores {
  std::uint32_t layers() const noexcept;
  std::vector<float> score(std::uint32_t, std::uint32_t, std::span<float>) const;
};
static_assert(!layered_importance<nothing>);
static_assert(!layered_importance<knows_no_layers>);
static_assert(!layered_importance<may_fail_to_count>);
static_assert(!layered_importance<counts_in_int>);
static_assert(!layered_importance<counts_by_changing>);
static_assert(!layered_importance<changes_when_asked>);
static_assert(!layered_importance<scores_all_layers_alike>);
static_assert(!layered_importance<returns_scores>);

} // namespace

TEST_CASE("layered_importance: the least model answers") {
  std::vector<float> out(2);
  minimal{}.score(1, 5, out);
  CHECK(minimal{}.layers() == 2);
  CHECK(out == std::vector<float>{105, 106});
}

} // namespace plan_layered_importance_test
