// The small models of fixtures/, which examples/tiny_llm/training/expected_logits.py made, and files in
// memory.
#pragma once

#include "tiny_llm/engine.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace tiny_test {

using ids = std::vector<tiny::token_id>;

inline const char* const kinds[] = {"llama3", "linear", "one_kv_head", "qwen2", "yarn"};

inline std::filesystem::path fixture(const std::string& kind) {
  return std::filesystem::path(TINY_FIXTURES) / kind;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw std::runtime_error("no file " + file.string());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// A tensor's values; 4 bytes each.
template <class T>
std::vector<T> values_of(const tiny::tensor& t) {
  std::vector<T> values(t.bytes.size() / sizeof(T));
  std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
  return values;
}

/// Some tokens of a model's vocabulary, by seed.
inline ids some_tokens(const tiny::model& m, std::size_t count, std::uint64_t seed) {
  ids all(count);
  for (tiny::token_id& t : all) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    t = static_cast<tiny::token_id>((seed >> 33) % m.config().vocab);
  }
  return all;
}

/// Whether two engines hold the same K and V of the first tokens, bit for bit.
inline bool same_cache(const tiny::engine& a, const tiny::engine& b, std::uint32_t tokens) {
  const planecast::geometry g = a.geometry();
  for (std::uint32_t l = 0; l < g.layers; ++l) {
    const planecast::kv_view x = a.view(l, tokens), y = b.view(l, tokens);
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t h = 0; h < g.kv_heads; ++h)
        if (std::memcmp(x.key(t, h), y.key(t, h), 2 * std::size_t{g.key_dim}) != 0 ||
            std::memcmp(x.value(t, h), y.value(t, h), 2 * std::size_t{g.value_dim}) != 0)
          return false;
  }
  return true;
}

/// What an exception says; nothing if there is none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return {};
}

} // namespace tiny_test
