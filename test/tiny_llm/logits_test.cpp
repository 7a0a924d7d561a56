#include "fixtures.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"
#include "written_files.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace tiny_llm_logits_test {

namespace {

using namespace tiny_test;

struct difference {
  double most = 0, rms = 0, spread = 0; // spread: the logits' own standard deviation
};

difference compare(std::shared_ptr<const tiny::model> m, const std::filesystem::path& directory,
                   planecast::number dtype) {
  const std::string file = text_of(directory / "expected_logits.safetensors");
  const tiny::tensors expected = tiny::read_safetensors(bytes_of(file), "expected");
  const auto tokens = values_of<std::int32_t>(expected.at("tokens"));
  const auto rows = values_of<std::int32_t>(expected.at("rows"));
  const auto values =
      values_of<float>(expected.at(dtype == planecast::number::bf16 ? "logits_bf16" : "logits_fp16"));
  const std::size_t vocab = m->config().vocab;
  REQUIRE(values.size() == rows.size() * vocab);
  tiny::engine e(std::move(m), {.dtype = dtype});
  std::vector<float> logits(tokens.size() * vocab);
  e.forward(tokens, logits);
  difference d;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t v = 0; v < vocab; ++v) {
      const double want = static_cast<double>(values[i * vocab + v]);
      const double off = static_cast<double>(logits[static_cast<std::size_t>(rows[i]) * vocab + v]) - want;
      d.most = std::max(d.most, std::abs(off));
      d.rms += off * off;
      sum += want;
      squares += want * want;
    }
  const auto n = static_cast<double>(values.size());
  d.rms = std::sqrt(d.rms / n);
  d.spread = std::sqrt(squares / n - sum / n * (sum / n));
  return d;
}

// What is expected was computed in double, so the difference is that of the engine's floats: about 1e-6, a
// few roundings of numbers of this size. Where such a difference makes a K or V round to the other neighbour,
// which is 2⁻⁸ of it in bf16 and 2⁻¹¹ in fp16, logits move by some 1e-4, which among few thousand K and V
// happens seldom (once, in yarn's). Both sides are the same on every machine, so what passes once passes
// always. A mistake moves them by far more: see the next test.
constexpr double most_off = 5e-4, rms_off = 5e-5;

TEST_CASE("tiny: logits of small models are PyTorch's") {
  for (const std::string kind : kinds)
    for (const auto dtype : {planecast::number::bf16, planecast::number::fp16}) {
      const difference d = compare(tiny::load(fixture(kind)), fixture(kind), dtype);
      CAPTURE(kind);
      CAPTURE(static_cast<int>(dtype));
      MESSAGE(kind, ": logits of spread ", d.spread, " differ by ", d.most, " at most, ", d.rms, " RMS");
      CHECK(d.spread > 0.5);
      CHECK(d.most < most_off);
      CHECK(d.rms < rms_off);
    }
}

TEST_CASE("tiny: a config that is a little wrong gives other logits") {
  const struct {
    const char *kind, *from, *to;
  } changes[] = {{"llama3", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-03"},
                 {"llama3", "\"rope_theta\": 50.0", "\"rope_theta\": 51.0"},
                 {"llama3", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 4.5"},
                 {"llama3", "\"rope_type\": \"llama3\"", "\"rope_type\": \"linear\""},
                 {"linear", "\"factor\": 4.0", "\"factor\": 4.1"},
                 {"linear", "\"type\": \"linear\"", "\"type\": \"dynamic\""},
                 {"qwen2", "\"rope_theta\": 1000000.0", "\"rope_theta\": 900000.0"},
                 {"yarn", "\"beta_fast\": 4.0", "\"beta_fast\": 1.5"},
                 {"yarn", "\"factor\": 4.0", "\"attention_factor\": 1, \"factor\": 4.0"}};
  for (const auto& c : changes) {
    const std::string config = with(text_of(fixture(c.kind) / "config.json"), c.from, c.to);
    const temporary_folder folder("tiny-logits");
    std::filesystem::copy(fixture(c.kind), folder.path());
    folder.write("config.json", config);
    CAPTURE(c.from);
    CHECK(compare(tiny::load(folder.path()), folder.path(), planecast::number::fp16).most > 2 * most_off);
  }
}

// More layers, more tokens, and so more K and V that round the other way.
TEST_CASE("tiny: logits of the embedded model are PyTorch's") {
  for (const auto dtype : {planecast::number::bf16, planecast::number::fp16}) {
    const difference d = compare(tiny::embedded(), TINY_MODEL, dtype);
    MESSAGE("embedded: logits of spread ", d.spread, " differ by ", d.most, " at most, ", d.rms, " RMS");
    CHECK(d.spread > 0.5);
    CHECK(d.most < 5e-3);
    CHECK(d.rms < 5e-4);
  }
}

} // namespace

} // namespace tiny_llm_logits_test
