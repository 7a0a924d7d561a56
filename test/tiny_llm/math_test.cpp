#include "support/dice.hpp"
#include "tiny_llm/kernels.hpp"
#include "tiny_llm/sure_math.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <vector>

namespace tiny_llm_math_test {

namespace {

TEST_CASE("tiny: sine, cosine, exponential and logarithm are the true ones") {
  test::dice dice(1);
  double most_turn = 0, most_exp = 0, most_log = 0;
  for (int i = 0; i < 20000; ++i) {
    const double angle = (i % 3 == 0 ? 10 : 200000) * static_cast<double>(dice.gaussian());
    const auto [sine, cosine] = tiny::sure::turn(angle);
    most_turn = std::max({most_turn, std::abs(sine - std::sin(angle)), std::abs(cosine - std::cos(angle))});
    const double x = 30 * static_cast<double>(dice.gaussian());
    most_exp = std::max(most_exp, std::abs(tiny::sure::exp(x) / std::exp(x) - 1));
    const double positive = std::exp(x);
    most_log = std::max(most_log, std::abs(tiny::sure::log(positive) - x) / std::max(1.0, std::abs(x)));
  }
  CHECK(most_turn < 1e-10); // a float of RoPE's has 6e-8; the angle is reduced in two steps
  CHECK(most_exp < 1e-13);
  CHECK(most_log < 1e-13);
}

TEST_CASE("tiny: products, softmax, norm and gate are the true ones, at every length") {
  test::dice dice(2);
  for (const bool vectors : {false, true}) {
    const tiny::kernels& k = tiny::kernels_of_this_machine(vectors);
    for (std::size_t n = 1; n < 40; ++n) {
      CAPTURE(n);
      constexpr std::size_t rows = 7, tokens = 8;
      std::vector<float> w(rows * n), x(tokens * n), y(tokens * rows), room;
      for (auto* const v : {&w, &x})
        for (float& f : *v)
          f = dice.gaussian();
      const tiny::matrix m{reinterpret_cast<const std::byte*>(w.data()), tiny::weight_type::f32, rows,
                           static_cast<std::uint32_t>(n)};
      k.multiply(m, 0, rows, {x.data(), n, tokens}, {y.data(), rows, tokens}, room);
      for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t r = 0; r < rows; ++r) {
          double sum = 0;
          for (std::size_t i = 0; i < n; ++i)
            sum += static_cast<double>(w[r * n + i]) * static_cast<double>(x[t * n + i]);
          CHECK(std::abs(static_cast<double>(y[t * rows + r]) - sum) < 2e-5);
        }

      std::vector<float> scores(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
      const float total = k.soften(scores.data(), n, 2.0f);
      const double most =
          2 * static_cast<double>(*std::max_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n)));
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double e = std::exp(2 * static_cast<double>(x[i]) - most);
        sum += e;
        CHECK(std::abs(static_cast<double>(scores[i]) / e - 1) < 1e-6);
      }
      CHECK(std::abs(static_cast<double>(total) / sum - 1) < 1e-6);

      std::vector<float> gate(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
      gate[0] = -200; // as far as it goes
      k.gate(gate.data(), w.data(), n);
      CHECK(gate[0] == doctest::Approx(0));
      for (std::size_t i = 1; i < n; ++i) {
        const double g = static_cast<double>(x[i]);
        CHECK(std::abs(static_cast<double>(gate[i]) - g / (1 + std::exp(-g)) * static_cast<double>(w[i])) <
              2e-6);
      }

      std::vector<float> normal(n);
      k.normalize(x.data(), w.data(), 0.01f, n, normal.data());
      double squares = 0;
      for (std::size_t i = 0; i < n; ++i)
        squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      for (std::size_t i = 0; i < n; ++i)
        CHECK(std::abs(static_cast<double>(normal[i]) -
                       static_cast<double>(x[i]) * static_cast<double>(w[i]) /
                           std::sqrt(squares / static_cast<double>(n) + 0.01)) < 2e-6);
    }
  }
}

} // namespace

} // namespace tiny_llm_math_test
