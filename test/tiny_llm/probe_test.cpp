// A probe of the embedded model: it bears 4 bits. With a channel of its keys far from zero, as trained models
// have them, it says the same on its original cache, and bears no scales per token.
#include "planecast/decode/probe.hpp"

#include "code/rows.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"
#include "tiny_llm/fixtures.hpp"
#include "tiny_llm/needles.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tiny_llm_probe_test {

namespace {

namespace pc = planecast;
using by_channel = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                        pc::values<pc::per_token>>;
using by_token =
    pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_token>, pc::values<pc::per_token>>;

// The embedded model with keys that are spoilt: of the pair of channels that turns slowest, one is `bias` in
// every key, and queries have nothing there. So every score is what it was but for that pair.
class spoilt_model {
public:
  explicit spoilt_model(float bias) {
    const std::filesystem::path folder = TINY_MODEL;
    file_ = tiny_test::text_of(folder / "model.safetensors");
    tiny::tensors all = tiny::read_safetensors(tiny_test::bytes_of(file_), "model");
    const tiny::model_config config = tiny::read_config(tiny_test::text_of(folder / "config.json"), "config");
    for (std::uint32_t l = 0; l < config.layers; ++l) {
      const std::string at = "model.layers." + std::to_string(l) + ".self_attn.";
      for (const std::uint32_t channel : {config.head_dim / 2 - 1, config.head_dim - 1}) {
        for (std::uint32_t h = 0; h < config.query_heads; ++h) {
          const std::size_t row = h * config.head_dim + channel;
          set(all, at + "q_proj.weight", row * config.width, config.width, 0);
          set(all, at + "q_proj.bias", row, 1, 0);
        }
        for (std::uint32_t h = 0; h < config.kv_heads; ++h) {
          const std::size_t row = h * config.head_dim + channel;
          set(all, at + "k_proj.weight", row * config.width, config.width, 0);
          set(all, at + "k_proj.bias", row, 1, channel < config.head_dim / 2 ? bias : 0);
        }
      }
    }
    model = std::make_shared<const tiny::model>(config, all, "spoilt");
  }
  std::shared_ptr<const tiny::model> model;

private:
  // BF16 values of a tensor, from one on.
  void set(tiny::tensors& all, const std::string& name, std::size_t first, std::size_t count, float x) {
    tiny::tensor& t = all.at(name);
    REQUIRE(t.dtype == "BF16");
    auto [copy, is_new] = copies_.try_emplace(name);
    if (is_new)
      copy->second.assign(t.bytes.begin(), t.bytes.end());
    const std::uint16_t pattern = pc::bf16::nearest(x);
    for (std::size_t i = first; i < first + count; ++i)
      std::memcpy(copy->second.data() + 2 * i, &pattern, 2);
    t.bytes = copy->second;
  }
  std::string file_;
  std::map<std::string, std::vector<std::byte>> copies_;
};

template <class Policy>
pc::probe_verdict probed(const std::shared_ptr<const tiny::model>& model) {
  tiny::engine engine(model, {.context = 400});
  return pc::probe<Policy>(engine, tiny_llm_test::hidden_number,
                           {.trials = planecast_test::rounds(12, 3),
                            .must_pass = planecast_test::rounds(8, 2),
                            .attempts = planecast_test::rounds(20, 6),
                            .lengths = {300}});
}

TEST_CASE("tiny: the embedded model bears 4 bits, by either quantizer") {
  const auto model = tiny::embedded();
  const pc::probe_verdict channel = probed<by_channel>(model), token = probed<by_token>(model);
  INFO(channel.save(), token.save());
  CHECK(channel.lowest() == pc::tolerated_tier{0, 4});
  CHECK(token.lowest() == pc::tolerated_tier{0, 4});
}

TEST_CASE(
    "tiny: with spoilt keys it bears 4 bits where scales are a channel's, and not where they are a token's") {
  const spoilt_model spoilt(105);
  const pc::probe_verdict channel = probed<by_channel>(spoilt.model), token = probed<by_token>(spoilt.model);
  INFO(channel.save(), token.save());
  CHECK(channel.lowest() == pc::tolerated_tier{0, 4});
  CHECK(token.lowest() == pc::tolerated_tier{1, 8});
}

} // namespace

} // namespace tiny_llm_probe_test
