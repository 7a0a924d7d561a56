// A directory with a model of any size, in shards whose zeros take no room on the disk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tiny_test {

struct sparse_shape {
  std::uint64_t layers = 24, width = 4096, inner = 11008, heads = 32, kv_heads = 8, vocab = 32000;
};

/// Writes config.json, model.safetensors.index.json and two shards in BF16: all layers in the first,
/// embeddings, head and last norm in the second. Norms are ones and all else zeros, but for the embedding of
/// the token `from` and the head's row `to`, which are ones: after `from` comes `to`.
inline std::uint64_t write_sparse_model(const std::filesystem::path& directory, const sparse_shape& s,
                                        std::uint64_t from, std::uint64_t to) {
  const std::uint64_t dim = s.width / s.heads, queries = s.heads * dim, keys = s.kv_heads * dim;
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  std::ofstream(directory / "config.json")
      << "{\"architectures\": [\"Qwen2ForCausalLM\"], \"num_hidden_layers\": " + number(s.layers) +
             ", \"hidden_size\": " + number(s.width) + ", \"intermediate_size\": " + number(s.inner) +
             ", \"num_attention_heads\": " + number(s.heads) +
             ", \"num_key_value_heads\": " + number(s.kv_heads) + ", \"vocab_size\": " + number(s.vocab) +
             ", \"max_position_embeddings\": 4096}\n";

  struct entry {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint64_t ones_at = 0, ones = 0; // values
  };
  std::vector<entry> shards[2];
  for (std::uint64_t l = 0; l < s.layers; ++l) {
    const std::string of = "model.layers." + number(l) + ".";
    auto& a = shards[0];
    for (const char* const norm : {"input_layernorm", "post_attention_layernorm"})
      a.push_back({of + norm + ".weight", {s.width}, 0, s.width});
    for (const auto& [name, rows] : {std::pair{"q", queries}, std::pair{"k", keys}, std::pair{"v", keys}}) {
      a.push_back({of + "self_attn." + name + "_proj.weight", {rows, s.width}});
      a.push_back({of + "self_attn." + name + "_proj.bias", {rows}});
    }
    a.push_back({of + "self_attn.o_proj.weight", {s.width, queries}});
    a.push_back({of + "mlp.gate_proj.weight", {s.inner, s.width}});
    a.push_back({of + "mlp.up_proj.weight", {s.inner, s.width}});
    a.push_back({of + "mlp.down_proj.weight", {s.width, s.inner}});
  }
  shards[1] = {{"model.embed_tokens.weight", {s.vocab, s.width}, from * s.width, s.width},
               {"model.norm.weight", {s.width}, 0, s.width},
               {"lm_head.weight", {s.vocab, s.width}, to * s.width, s.width}};

  std::string index;
  std::uint64_t all = 0;
  for (int i = 0; i < 2; ++i) {
    const std::string file =
        "model-0000" + number(static_cast<std::uint64_t>(i) + 1) + "-of-00002.safetensors";
    std::string header = "{";
    std::uint64_t at = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ones; // bytes
    for (const entry& e : shards[i]) {
      std::uint64_t values = 1;
      std::string shape;
      for (const std::uint64_t n : e.shape) {
        values *= n;
        shape += (shape.empty() ? "" : ",") + number(n);
      }
      if (e.ones > 0)
        ones.emplace_back(at + 2 * e.ones_at, e.ones);
      header += (at > 0 ? "," : "") + ("\"" + e.name) + "\":{\"dtype\":\"BF16\",\"shape\":[" + shape +
                "],\"data_offsets\":[" + number(at) + "," + number(at + 2 * values) + "]}";
      at += 2 * values;
      index += (index.empty() ? "" : ",\n") + ("    \"" + e.name) + "\": \"" + file + "\"";
    }
    header += "}";
    std::ofstream out(directory / file, std::ios::binary);
    for (unsigned b = 0; b < 8; ++b)
      out.put(static_cast<char>(static_cast<unsigned char>(header.size() >> 8 * b)));
    out << header;
    for (const auto& [begin, count] : ones) {
      out.seekp(static_cast<std::streamoff>(8 + header.size() + begin));
      for (std::uint64_t n = 0; n < count; ++n)
        out.write("\x80\x3F", 2);
    }
    if (!out.flush())
      throw std::runtime_error("cannot write " + file);
    out.close();
    std::filesystem::resize_file(directory / file, 8 + header.size() + at);
    all += 8 + header.size() + at;
  }
  std::ofstream(directory / "model.safetensors.index.json")
      << "{\"metadata\": {\"total_size\": " + number(all) + "},\n  \"weight_map\": {\n" + index + "\n  }}\n";
  return all;
}

} // namespace tiny_test
