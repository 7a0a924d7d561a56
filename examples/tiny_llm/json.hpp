// A strict reader of JSON (RFC 8259) for files that come from elsewhere: limits on depth and on how much is
// in it, no duplicate names, no comments, no NaN. What is wrong is said with the byte where it is.
#pragma once

#include "in_quotes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tiny {

/// A value of a JSON text.
class json {
public:
  struct number {
    double value = 0;
    std::optional<std::uint64_t> whole; // where it is written as one
  };
  using array = std::vector<json>;
  using object = std::vector<std::pair<std::string, json>>;

  static constexpr int max_depth = 32;
  static constexpr std::size_t max_values = 500'000;

  /// Reads a text.
  /// Errors: std::runtime_error, "WHERE: byte N: what is wrong".
  static json parse(std::string_view text, const std::string& where);

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(is_); }
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&is_); }
  [[nodiscard]] const number* as_number() const { return std::get_if<number>(&is_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&is_); }
  [[nodiscard]] const array* as_array() const { return std::get_if<array>(&is_); }
  [[nodiscard]] const object* as_object() const { return std::get_if<object>(&is_); }

  /// A member of an object; none if there is no such, if it is null, or if this is no object.
  [[nodiscard]] const json* find(std::string_view name) const {
    if (const object* const members = as_object())
      for (const auto& [key, value] : *members)
        if (key == name)
          return value.is_null() ? nullptr : &value;
    return nullptr;
  }

private:
  class reader;
  std::variant<std::nullptr_t, bool, number, std::string, array, object> is_ = nullptr;
};

class json::reader {
public:
  reader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  json all() {
    json j = value(0);
    if (skip() < text_.size())
      wrong("something follows the value");
    return j;
  }

private:
  [[noreturn]] void wrong(const std::string& what) const {
    throw std::runtime_error(where_ + ": byte " + std::to_string(at_) + ": " + what);
  }
  std::size_t skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
    return at_;
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size())
      return false;
    ++at_;
    return true;
  }
  void need(char c) {
    skip();
    if (!take(c))
      wrong(std::string(at_ < text_.size() ? "expected '" : "the text ends; expected '") + c + "'");
  }

  json value(int depth) {
    if (depth > max_depth)
      wrong("nested too deeply");
    if (++values_ > max_values)
      wrong("more values than are allowed");
    skip();
    json j;
    switch (peek()) {
    case '{':
      j.is_ = members(depth);
      break;
    case '[':
      j.is_ = items(depth);
      break;
    case '"':
      j.is_ = string();
      break;
    case 't':
      word("true");
      j.is_ = true;
      break;
    case 'f':
      word("false");
      j.is_ = false;
      break;
    case 'n':
      word("null");
      break;
    default:
      j.is_ = parsed_number();
    }
    return j;
  }
  void word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w)
      wrong("expected a value");
    at_ += w.size();
  }

  object members(int depth) {
    object all;
    need('{');
    skip();
    if (take('}'))
      return all;
    do {
      skip();
      if (peek() != '"')
        wrong("expected a name in quotation marks");
      std::string name = string();
      need(':');
      json of_it = value(depth + 1);
      all.emplace_back(std::move(name), std::move(of_it));
      skip();
    } while (take(','));
    need('}');
    std::vector<std::string_view> names;
    for (const auto& member : all)
      names.push_back(member.first);
    std::sort(names.begin(), names.end());
    if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
      wrong("the name " + in_quotes(*twice) + " stands twice in an object that ends here");
    return all;
  }
  array items(int depth) {
    array all;
    need('[');
    skip();
    if (take(']'))
      return all;
    do {
      all.push_back(value(depth + 1));
      skip();
    } while (take(','));
    need(']');
    return all;
  }

  std::string string() {
    std::string s;
    need('"');
    while (!take('"')) {
      if (at_ >= text_.size())
        wrong("the text ends within a string");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20)
        wrong("a control character within a string");
      if (c == '\\')
        escape(s);
      else if (c < 0x80) {
        s += text_[at_++];
      } else
        utf8(s);
    }
    return s;
  }
  void escape(std::string& s) {
    ++at_;
    constexpr std::string_view names = "\"\\/bfnrt", chars = "\"\\/\b\f\n\r\t";
    if (take('u')) {
      std::uint32_t c = four_digits();
      if (c >= 0xD800 && c < 0xDC00) {
        if (!take('\\') || !take('u'))
          wrong("half of a pair of \\u escapes");
        const std::uint32_t low = four_digits();
        if (low < 0xDC00 || low > 0xDFFF)
          wrong("half of a pair of \\u escapes");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      } else if (c >= 0xDC00 && c <= 0xDFFF)
        wrong("half of a pair of \\u escapes");
      append(s, c);
      return;
    }
    const std::size_t which = at_ < text_.size() ? names.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos)
      wrong("an escape that JSON does not have");
    s += chars[which];
    ++at_;
  }
  std::uint32_t four_digits() {
    std::uint32_t c = 0;
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
    if (digits.size() < 4 || error != std::errc() || end != digits.data() + 4)
      wrong("\\u needs four hexadecimal digits");
    at_ += 4;
    return c;
  }
  static void append(std::string& s, std::uint32_t c) {
    const auto byte = [&](std::uint32_t b) { s += static_cast<char>(static_cast<unsigned char>(b)); };
    if (c < 0x80)
      return byte(c);
    if (c < 0x800) {
      byte(0xC0 | c >> 6);
    } else {
      if (c < 0x10000)
        byte(0xE0 | c >> 12);
      else {
        byte(0xF0 | c >> 18);
        byte(0x80 | (c >> 12 & 0x3F));
      }
      byte(0x80 | (c >> 6 & 0x3F));
    }
    byte(0x80 | (c & 0x3F));
  }
  void utf8(std::string& s) { // as it is, if it is the one way to write its character
    const auto first = static_cast<unsigned char>(text_[at_]);
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    std::uint32_t c = first & (0x3Fu >> more);
    for (std::size_t i = 1; i <= more && at_ + i < text_.size(); ++i)
      c = c << 6 | (static_cast<unsigned char>(text_[at_ + i]) & 0x3F);
    std::string again;
    append(again, c);
    if (c < 0x80 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) || text_.substr(at_, more + 1) != again)
      wrong("not UTF-8");
    s += again;
    at_ += more + 1;
  }

  number parsed_number() {
    const std::size_t begin = at_;
    const auto digits = [&] {
      const std::size_t first = at_;
      while (peek() >= '0' && peek() <= '9')
        ++at_;
      if (at_ == first)
        wrong(begin == at_ ? "expected a value" : "expected a digit");
      return at_ - first;
    };
    const bool negative = take('-');
    const bool zero = peek() == '0';
    if (digits() > 1 && zero)
      wrong("a number with a zero before it");
    bool whole = !negative;
    if (take('.')) {
      whole = false;
      digits();
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+'))
        take('-');
      digits();
    }
    number n;
    const char *const from = text_.data() + begin, *const to = text_.data() + at_;
    if (std::from_chars(from, to, n.value).ec != std::errc() || !std::isfinite(n.value))
      wrong("a number out of range");
    std::uint64_t i = 0;
    if (whole && std::from_chars(from, to, i).ec == std::errc())
      n.whole = i;
    return n;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0, values_ = 0;
};

inline json json::parse(std::string_view text, const std::string& where) {
  return reader(text, where).all();
}

} // namespace tiny
