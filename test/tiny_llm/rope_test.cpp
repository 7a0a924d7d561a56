#include "fixtures.hpp"
#include "tiny_llm/json.hpp"
#include "tiny_llm/model_config.hpp"
#include "tiny_llm/rope.hpp"

#include <cmath>
#include <cstddef>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

namespace tiny_llm_rope_test {

namespace {

// rope_rates.json is what Hugging Face's transformers make of these configs, see rope_rates.py: nothing of
// the formulas is told again here. They compute in floats, which is what the tolerance is for.
TEST_CASE("tiny: RoPE turns as the models' published code does, whatever its scaling") {
  const tiny::json all = tiny::json::parse(
      tiny_test::text_of(std::filesystem::path(TINY_FIXTURES).parent_path() / "rope_rates.json"),
      "rope_rates.json");
  const tiny::json::array& cases = *all.find("cases")->as_array();
  REQUIRE(cases.size() >= 7);
  for (const tiny::json& one : cases) {
    CAPTURE(*one.find("name")->as_string());
    const tiny::model_config c = tiny::read_config(*one.find("config")->as_string(), "config");
    const tiny::rope rope(c.rope, c.head_dim);
    const tiny::json::array& rates = *one.find("rates")->as_array();
    CHECK(static_cast<double>(rope.scale()) ==
          doctest::Approx(one.find("scale")->as_number()->value).epsilon(1e-6));
    REQUIRE(rope.rates().size() == rates.size());
    for (std::size_t i = 0; i < rates.size(); ++i) {
      const double expected = rates[i].as_number()->value;
      CAPTURE(i);
      CHECK(std::abs(static_cast<double>(rope.rates()[i]) / expected - 1) < 3e-6);
    }
  }
}

} // namespace

} // namespace tiny_llm_rope_test
