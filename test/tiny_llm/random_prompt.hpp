// Prompts for tests with the embedded model.
#pragma once

#include "planecast/decode/engine.hpp"

#include "support/dice.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tiny_llm_test {

/// Something like English, a byte a token: words at random, of which some come again, and a number to be
/// found now and then.
inline std::vector<planecast::token_id> random_prompt(test::dice& dice) {
  constexpr std::string_view words[] = {"the ",       "and ", "of ",       "king ",   "said unto ", "him, ",
                                        "a program ", "is ",  "his ",      "in ",     "house ",     "shall ",
                                        "that ",      "not ", "machine. ", "Behold, "};
  std::string text;
  const std::size_t length = dice.between(60, 220);
  while (text.size() < length)
    text += words[dice.below(std::size(words))];
  if (dice.one_in(2))
    text += " The number of Zorilo is " + std::to_string(10000 + dice.below(90000)) +
            ". The number of Zorilo is ";
  return {text.begin(), text.end()};
}

} // namespace tiny_llm_test
