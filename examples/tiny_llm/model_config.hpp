// What a config.json says of a model, as far as this engine needs it; what it cannot do is refused.
#pragma once

#include "planecast/cache/geometry.hpp"

#include "json.hpp"
#include "rope.hpp"
#include "usual_floats.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tiny {

/// A model's shape.
struct model_config {
  std::string architecture; // LlamaForCausalLM or Qwen2ForCausalLM
  std::uint32_t layers = 0;
  std::uint32_t query_heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t width = 0; // of the residual stream
  std::uint32_t inner = 0; // of the MLP
  std::uint32_t vocab = 0;
  std::uint32_t context = 0; // longest sequence that it was made for
  float norm_eps = 0;
  bool tied = false;     // the embeddings are the head, too
  bool qkv_bias = false; // biases at Q, K and V, at attention's output, in the MLP
  bool out_bias = false;
  bool mlp_bias = false;
  rope_settings rope;
  std::vector<std::uint32_t> end_tokens; // that end a text
  std::string tokenizer;                 // "bytes": see byte_level()

  /// Whether its tokens are bytes.
  [[nodiscard]] bool byte_level() const { return tokenizer == "bytes" && vocab == 256; }
  /// The shape of its cache.
  [[nodiscard]] planecast::geometry geometry(planecast::number dtype) const {
    return {dtype, layers, kv_heads, head_dim, head_dim, {}};
  }
};

namespace detail {

/// Reads members of a config.json, and says which of them is wrong.
class config_reader {
public:
  config_reader(const json& j, std::string where) : j_(j), where_(std::move(where)) {
    if (j.as_object() == nullptr)
      wrong("is not an object");
  }

  [[noreturn]] void wrong(const std::string& what) const { throw std::runtime_error(where_ + ": " + what); }

  [[nodiscard]] const json* find(const char* name) const { return j_.find(name); }
  [[nodiscard]] std::uint32_t whole(const char* name, std::uint32_t least, std::uint32_t most) const {
    const json* const v = find(name);
    if (v == nullptr)
      wrong(std::string(name) + " is missing");
    const json::number* const n = v->as_number();
    if (n == nullptr || !n->whole || *n->whole < least || *n->whole > most)
      wrong(std::string(name) + " is not a whole number from " + std::to_string(least) + " to " +
            std::to_string(most));
    return static_cast<std::uint32_t>(*n->whole);
  }
  [[nodiscard]] std::uint32_t whole(const char* name, std::uint32_t least, std::uint32_t most,
                                    std::uint32_t otherwise) const {
    return find(name) == nullptr ? otherwise : whole(name, least, most);
  }
  [[nodiscard]] double number(const char* name, double least, double most) const {
    const json* const v = find(name);
    if (v == nullptr)
      wrong(std::string(name) + " is missing");
    const json::number* const n = v->as_number();
    if (n == nullptr || !(n->value >= least && n->value <= most))
      wrong(std::string(name) + " is not a number in its range");
    return n->value;
  }
  [[nodiscard]] double number(const char* name, double least, double most, double otherwise) const {
    return find(name) == nullptr ? otherwise : number(name, least, most);
  }
  [[nodiscard]] bool flag(const char* name, bool otherwise) const {
    const json* const v = find(name);
    if (v == nullptr)
      return otherwise;
    if (v->as_bool() == nullptr)
      wrong(std::string(name) + " is neither true nor false");
    return *v->as_bool();
  }
  [[nodiscard]] std::string text(const char* name, const char* otherwise) const {
    const json* const v = find(name);
    if (v == nullptr)
      return otherwise;
    if (v->as_string() == nullptr)
      wrong(std::string(name) + " is not a string");
    return *v->as_string();
  }

private:
  const json& j_;
  std::string where_;
};

inline rope_settings read_rope(const config_reader& all, const std::string& where, std::uint32_t& context) {
  rope_settings s;
  s.theta = all.number("rope_theta", 1.001, 1e12, 10000);
  const char* name = "rope_scaling";
  const json* found = all.find(name);
  if (found == nullptr)
    found = all.find(name = "rope_parameters"); // where newer files have all of it
  if (found == nullptr)
    return s;
  const config_reader r(*found, where + ": " + name);
  for (const auto& [kind, value] : *found->as_object())
    if (value.as_object() != nullptr)
      r.wrong(in_quotes(kind) + ": parameters by kind of layer are not supported");
  if (r.number("partial_rotary_factor", 0, 1, 1) != 1)
    r.wrong("partial_rotary_factor is not supported");
  s.theta = r.number("rope_theta", 1.001, 1e12, s.theta);
  const std::string type = r.text("rope_type", r.text("type", "default").c_str());
  if (type == "default")
    return s;
  if (type != "linear" && type != "llama3" && type != "yarn" && type != "dynamic")
    r.wrong("the type " + in_quotes(type) + " is not one of default, linear, llama3, yarn, dynamic");
  s.factor = r.number("factor", 1, 1e6);
  if (type == "dynamic") // turns as usual up to the original context, and else as the sequence is long, which
    return s;            // a cache does not go along with: so far the engine goes
  if (type == "linear") {
    s.type = rope_settings::kind::linear;
    return s;
  }
  const double original = r.number("original_max_position_embeddings", 1, 1e9, context);
  s.original_context = original;
  if (type == "llama3") {
    s.type = rope_settings::kind::llama3;
    if (r.find("original_max_position_embeddings") == nullptr)
      r.wrong("original_max_position_embeddings is missing");
    s.low_freq_factor = r.number("low_freq_factor", 1e-3, 1e6);
    s.high_freq_factor = r.number("high_freq_factor", 1e-3, 1e6);
    if (s.high_freq_factor <= s.low_freq_factor)
      r.wrong("high_freq_factor is not above low_freq_factor");
    return s;
  }
  s.type = rope_settings::kind::yarn;
  context = static_cast<std::uint32_t>(std::clamp(original * s.factor, static_cast<double>(context), 0x1p28));
  for (const char* const member : {"mscale", "mscale_all_dim"})
    if (r.find(member) != nullptr)
      r.wrong(std::string(member) + " is not supported");
  if (!r.flag("truncate", true))
    r.wrong("truncate: false is not supported");
  s.beta_fast = r.number("beta_fast", 1e-3, 1e6, 32);
  s.beta_slow = r.number("beta_slow", 1e-3, 1e6, 1);
  s.attention_factor = r.number("attention_factor", 1e-3, 1e3, 0.1 * sure::log(s.factor) + 1);
  return s;
}

} // namespace detail

/// Reads a config.json.
/// Errors: std::runtime_error, "WHERE: what is wrong".
inline model_config read_config(std::string_view text, const std::string& where) {
  const usual_floats mode;
  const json j = json::parse(text, where);
  const detail::config_reader r(j, where);
  model_config c;
  const json* const names = r.find("architectures");
  if (names == nullptr || names->as_array() == nullptr || names->as_array()->size() != 1 ||
      names->as_array()->front().as_string() == nullptr)
    r.wrong("architectures is not a list of one name");
  c.architecture = *names->as_array()->front().as_string();
  const bool qwen = c.architecture == "Qwen2ForCausalLM";
  if (!qwen && c.architecture != "LlamaForCausalLM")
    r.wrong("the architecture " + in_quotes(c.architecture) +
            " is neither LlamaForCausalLM nor Qwen2ForCausalLM");
  for (const char* const name : {"quantization_config", "compression_config"})
    if (r.find(name) != nullptr)
      r.wrong(std::string(name) + ": quantized weights are not supported");
  if (const std::string act = r.text("hidden_act", "silu"); act != "silu")
    r.wrong("hidden_act " + in_quotes(act) + " is not supported, only silu");
  if (qwen ? r.flag("use_sliding_window", false) : r.find("sliding_window") != nullptr)
    r.wrong("attention in a sliding window is not supported");
  if (const json* const types = r.find("layer_types"))
    for (const json& type : types->as_array() != nullptr ? *types->as_array() : json::array{*types})
      if (type.as_string() == nullptr || *type.as_string() != "full_attention")
        r.wrong("layer_types names another kind than full_attention");
  if (r.number("partial_rotary_factor", 0, 1, 1) != 1)
    r.wrong("partial_rotary_factor is not supported");

  c.layers = r.whole("num_hidden_layers", 1, 1024);
  c.width = r.whole("hidden_size", 1, 1 << 17);
  c.inner = r.whole("intermediate_size", 1, 1 << 19);
  c.vocab = r.whole("vocab_size", 1, 1 << 24);
  c.query_heads = r.whole("num_attention_heads", 1, 1024);
  c.kv_heads = r.whole("num_key_value_heads", 1, 1024, c.query_heads);
  if (c.query_heads % c.kv_heads != 0)
    r.wrong("num_key_value_heads does not divide num_attention_heads");
  if (r.find("head_dim") == nullptr && c.width % c.query_heads != 0)
    r.wrong("num_attention_heads does not divide hidden_size, and there is no head_dim");
  c.head_dim = r.whole("head_dim", 1, planecast::max_head_dim, c.width / c.query_heads);
  if (c.head_dim == 0 || c.head_dim % 8 != 0 || c.head_dim > planecast::max_head_dim)
    r.wrong("heads have " + std::to_string(c.head_dim) + " channels, not a multiple of 8 up to " +
            std::to_string(planecast::max_head_dim));
  // What published models are far from; a small file shall not ask for gigabytes of working space.
  if (std::uint64_t{c.query_heads} * c.head_dim > 16 * std::uint64_t{c.width} || c.inner / 64 > c.width)
    r.wrong("heads or intermediate_size are out of proportion to hidden_size");
  c.context = r.whole("max_position_embeddings", 1, 1 << 28, 2048);
  c.norm_eps = static_cast<float>(r.number("rms_norm_eps", 0, 1, 1e-6));
  c.tied = r.flag("tie_word_embeddings", false);
  const bool all_biases = r.flag("attention_bias", false);
  c.qkv_bias = qwen || all_biases;
  c.out_bias = !qwen && all_biases;
  c.mlp_bias = !qwen && r.flag("mlp_bias", false);
  c.rope = detail::read_rope(r, where, c.context);
  if (const json* const end = r.find("eos_token_id"))
    for (const json& id : end->as_array() != nullptr ? *end->as_array() : json::array{*end}) {
      if (id.as_number() == nullptr || !id.as_number()->whole || *id.as_number()->whole >= c.vocab)
        r.wrong("eos_token_id is not a token, or a list of tokens");
      c.end_tokens.push_back(static_cast<std::uint32_t>(*id.as_number()->whole));
    }
  c.tokenizer = r.text("tokenizer", "");
  if (c.tokenizer == "bytes" && c.vocab != 256)
    r.wrong("tokenizer is bytes, and vocab_size is not 256");
  return c;
}

} // namespace tiny
