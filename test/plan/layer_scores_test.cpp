#include "planecast/plan/layer_scores.hpp"

#include <doctest/doctest.h>
#include <stdexcept>
#include <vector>

namespace plan_layer_scores_test {

using namespace planecast;

namespace {
template <class I>
std::vector<float> scores(const I& i, std::uint32_t first, std::size_t count) {
  std::vector<float> out(count, -1);
  i.score(first, out);
  return out;
}
} // namespace

TEST_CASE("given_layer_scores: a row for each layer") {
  const std::vector<float> given = {1, 2, 3, 4, 5, 6};
  const given_layer_scores by(given, 3);
  CHECK(by.layers() == 2);
  std::vector<float> out(2);
  by.score(1, 1, out);
  CHECK(out == std::vector<float>{5, 6});
  by.score(0, 3, {});
  CHECK_THROWS_AS(by.score(2, 0, out), std::invalid_argument);
  CHECK_THROWS_AS(by.score(0, 2, out), std::invalid_argument); // it would run into the next layer
  CHECK(given_layer_scores({}, 3).layers() == 0);
}

TEST_CASE("given_layer_scores: scores that are no whole layers") {
  const std::vector<float> given(7);
  CHECK_THROWS_AS(given_layer_scores(given, 3), std::invalid_argument);
  CHECK_THROWS_AS(given_layer_scores(given, 0), std::invalid_argument);
}

TEST_CASE("across_layers: mean or sum, for the whole sequence or a part") {
  const std::vector<float> given = {1, 2, 3, 5, 8, 13};
  CHECK(scores(across_layers(given_layer_scores(given, 3)), 0, 3) == std::vector<float>{3, 5, 8});
  CHECK(scores(across_layers(given_layer_scores(given, 3), score_reduction::sum), 1, 2) ==
        std::vector<float>{10, 16});
  CHECK(scores(across_layers(given_layer_scores({}, 3)), 0, 2) == std::vector<float>{0, 0});
  CHECK_THROWS_AS(scores(across_layers(given_layer_scores(given, 3)), 2, 2), std::invalid_argument);
}

TEST_CASE("across_layers: an order") {
  const std::vector<float> given = {0, 9, 1, 5, 0, 5};
  CHECK(rank_tokens(across_layers(given_layer_scores(given, 3)), 3, {.sinks = 0, .recent = 0}).tokens ==
        std::vector<std::uint32_t>{1, 2, 0});
}

} // namespace plan_layer_scores_test
