// Needles for the embedded model, as it was trained to find them (examples/tiny_llm/training/needles.py).
#pragma once

#include "planecast/decode/probe_subject.hpp"

#include "support/dice.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace tiny_llm_test {

/// Like "Zorilo": a consonant, a vowel, and so on.
inline std::string random_name(test::dice& dice) {
  constexpr std::string_view consonants = "bcdfghjklmnprstvwz", vowels = "aeiou";
  std::string name;
  for (std::uint32_t i = 0, length = dice.between(4, 6); i < length; ++i)
    name += i % 2 == 0 ? consonants[dice.below(consonants.size())] : vowels[dice.below(vowels.size())];
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}
inline std::string random_number(test::dice& dice) {
  return std::to_string(10000 + dice.below(90000));
}

/// A prompt of a byte a token that hides a number in sentences of no matter, and asks for it.
inline planecast::needle_trial hidden_number(const planecast::needle_place& at) {
  constexpr std::string_view sentences[] = {
      " The king sent a messenger to the house by the river.",
      " Nobody in the town had seen so much rain in one year.",
      " It was said that the old machine could count, but not very far.",
      " Then the people went home, and the doors were shut for the night.",
      " A program that does nothing does it faster than any other.",
      " He spoke of his father, and of the land that was his father's.",
  };
  test::dice dice(1000 + at.number);
  const std::string who = random_name(dice), what = random_number(dice);
  const std::string question = " The number of " + who + " is ", fact = question + what + ".";
  const std::size_t room = at.length - fact.size() - question.size();
  std::string text;
  bool said = false;
  while (text.size() < room + (said ? fact.size() : 0)) {
    if (!said && static_cast<double>(text.size()) >= at.depth * static_cast<double>(room) - 30) {
      text += fact;
      said = true;
    }
    text += sentences[dice.below(std::size(sentences))];
  }
  text += question;
  return {{text.begin(), text.end()}, {what.begin(), what.end()}};
}

} // namespace tiny_llm_test
