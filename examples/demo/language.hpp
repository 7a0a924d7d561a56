// The one place that knows which engine and model the demo runs on, and how its tokens are written.
#pragma once

#include "planecast/cache/fingerprint.hpp"

#include "options.hpp"
#include "prompt.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace demo {

using engine = tiny::engine;

class language {
public:
  explicit language(const options& o)
      : weights_(o.model.empty() ? tiny::embedded() : tiny::load(o.model)),
        name_(o.model.empty() ? "the small one that is part of the program" : o.model) {
    const tiny::model_config& config = weights_->config();
    const bool bytes = config.byte_level();
    if (!bytes && o.prompt.empty())
      throw std::runtime_error("--model: its tokens are not bytes; give their ids with --prompt FILE");
    const std::string text = o.prompt.empty() ? default_prompt(o.seed) : read_text(o.prompt);
    prompt_ = bytes ? tokens_of_bytes(text) : tokens_of_numbers(text, config.vocab);
    if (prompt_.empty())
      throw std::runtime_error("--prompt: " + o.prompt + " is empty");
    if (!o.ignore_eos)
      ends_.assign(config.end_tokens.begin(), config.end_tokens.end());
    context_ = static_cast<std::uint32_t>(prompt_.size()) + o.tokens;
    if (make_engine().context() < context_)
      throw std::runtime_error("--prompt: " + std::to_string(prompt_.size()) + " tokens and " +
                               std::to_string(o.tokens) + " to write are more than the model's context of " +
                               std::to_string(make_engine().context()));
  }
  [[nodiscard]] const std::vector<planecast::token_id>& prompt() const { return prompt_; }
  /// Tokens that end a text; none if they shall not.
  [[nodiscard]] const std::vector<planecast::token_id>& ends() const { return ends_; }
  [[nodiscard]] bool ends_text(planecast::token_id t) const {
    return std::ranges::find(ends_, t) != ends_.end();
  }
  [[nodiscard]] engine make_engine() const {
    return engine(weights_,
                  {.context = context_, .threads = std::max(1u, std::thread::hardware_concurrency())});
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& architecture() const { return weights_->config().architecture; }
  /// Its shape, in the words of config.json where that has one.
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> shape() const {
    const tiny::model_config& c = weights_->config();
    return {{"num_hidden_layers", c.layers},
            {"num_attention_heads", c.query_heads},
            {"num_key_value_heads", c.kv_heads},
            {"head_dim", c.head_dim},
            {"hidden_size", c.width},
            {"intermediate_size", c.inner},
            {"vocab_size", c.vocab},
            {"max_position_embeddings", c.context},
            {"weight_bytes", weights_->bytes()}};
  }
  /// Of the shape, the norms, the biases, and of each matrix some rows and its last: enough to tell models
  /// apart that were trained apart, without reading all of a large one. Not all that two could differ in.
  [[nodiscard]] std::uint64_t fingerprint() const {
    planecast::fingerprint f;
    const auto add_rows = [&f](const tiny::matrix& m) {
      for (const std::size_t part : {0u, 1u, 2u, 3u, 4u}) {
        const std::byte* row = m.row((m.rows - 1) * part / 4);
        for (std::size_t i = 0; i < m.columns * tiny::weight_bytes(m.type); ++i)
          f.add(std::to_integer<std::uint64_t>(row[i]));
      }
    };
    const auto add_all = [&f](const std::vector<float>& v) {
      for (const float x : v)
        f.add(std::bit_cast<std::uint32_t>(x));
    };
    for (const auto& [fact, n] : shape())
      f.add(n);
    const tiny::rope_settings& r = weights_->config().rope;
    f.add(static_cast<std::uint64_t>(r.type));
    for (const double x : {r.theta, r.factor, r.original_context, r.attention_factor})
      f.add(std::bit_cast<std::uint64_t>(x));
    add_rows(weights_->embeddings());
    add_rows(weights_->head());
    add_all(weights_->norm());
    for (const tiny::model::layer& l : weights_->layers()) {
      add_all(l.attention_norm);
      add_all(l.mlp_norm);
      for (const tiny::model::linear* w : {&l.query, &l.key, &l.value, &l.out, &l.gate, &l.up, &l.down}) {
        add_rows(w->weights);
        add_all(w->bias);
      }
    }
    return f.value();
  }
  [[nodiscard]] std::string spelled(planecast::token_id t) const {
    return weights_->config().byte_level() ? std::string(1, static_cast<char>(t)) : std::to_string(t) + ' ';
  }

private:
  std::shared_ptr<const tiny::model> weights_;
  std::string name_;
  std::vector<planecast::token_id> prompt_, ends_;
  std::uint32_t context_ = 0;
};

} // namespace demo
