// The text whose cache crosses: the demo's own, or a file's.
#pragma once

#include "planecast/decode/engine.hpp"

#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

/// What is hidden in the demo's own prompt: five digits; seed 1 hides 48213.
inline std::string hidden_number(std::uint64_t seed) {
  return std::to_string(10000 + (38213 + (seed - 1) % 90000 * 7919) % 90000);
}

/// About 1000 bytes of English (Lewis Carroll, Alice's Adventures in Wonderland, 1865), with a number hidden
/// early in it, which its end asks for. An answer can come from the cache alone.
inline std::string default_prompt(std::uint64_t seed) {
  return "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing "
         "to do: once or twice she had peeped into the book her sister was reading, but it had no pictures "
         "or "
         "conversations in it. The number of Zorilo is " +
         hidden_number(seed) +
         ". So she was considering in her own mind, as well as she could, for the hot day made her feel very "
         "sleepy and stupid, whether the pleasure of making a daisy chain would be worth the trouble of "
         "getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her. "
         "There was nothing so very remarkable in that; nor did Alice think it so very much out of the way "
         "to "
         "hear the Rabbit say to itself, Oh dear! Oh dear! I shall be late! But when the Rabbit actually "
         "took "
         "a watch out of its waistcoat pocket, and looked at it, and then hurried on, Alice started to her "
         "feet, for it flashed across her mind that she had never before seen a rabbit with either a "
         "waistcoat pocket, or a watch to take out of it. The number of Zorilo is ";
}

/// Whether a text that goes on from the demo's own prompt begins with the number that was hidden there; empty
/// if it is too short to tell.
inline std::optional<bool> answers(std::string_view text, std::uint64_t seed) {
  const std::string number = hidden_number(seed);
  if (number.starts_with(text) && text.size() < number.size())
    return std::nullopt;
  return text.starts_with(number);
}

/// All of a file.
inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (file.peek(); file.bad() || !file.is_open()) // a directory opens, and cannot be read
    throw std::runtime_error("--prompt: cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A token for each byte.
inline std::vector<planecast::token_id> tokens_of_bytes(std::string_view text) {
  std::vector<planecast::token_id> tokens;
  for (const char c : text)
    tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

/// Token ids, white space between them.
inline std::vector<planecast::token_id> tokens_of_numbers(const std::string& text, std::uint32_t vocabulary) {
  std::vector<planecast::token_id> tokens;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::uint32_t id = 0;
    const auto [end, bad] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (bad != std::errc{} || end != word.data() + word.size() || id >= vocabulary)
      throw std::runtime_error("--prompt: this model takes token ids below " + std::to_string(vocabulary) +
                               ", with white space between them, and \"" + word.substr(0, 40) + "\" is none");
    tokens.push_back(static_cast<planecast::token_id>(id));
  }
  return tokens;
}

} // namespace demo
