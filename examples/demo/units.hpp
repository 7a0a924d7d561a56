// Rates and times as people write them: 10Gbit, 2MB/s, 1ms.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

/// The number that a text begins with, and what stands behind it. Empty where there is none.
inline std::optional<std::pair<double, std::string_view>> leading_number(std::string_view text) {
  double number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (bad != std::errc{} || !std::isfinite(number))
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' '))
    text.remove_prefix(1);
  return std::pair(number, text);
}

/// Bytes a second: a number, then k, M, G or T or nothing, then bit or B, then /s or nothing. Empty for all
/// else.
inline std::optional<double> read_rate(std::string_view text) {
  const auto number = leading_number(text);
  if (!number)
    return std::nullopt;
  auto [rate, unit] = *number;
  if (unit.ends_with("/s"))
    unit.remove_suffix(2);
  if (unit.ends_with("bit")) {
    rate /= 8;
    unit.remove_suffix(3);
  } else if (unit.ends_with("B"))
    unit.remove_suffix(1);
  else
    return std::nullopt;
  for (const auto& [name, scale] : {std::pair("", 1.0), std::pair("k", 1e3), std::pair("K", 1e3),
                                    std::pair("M", 1e6), std::pair("G", 1e9), std::pair("T", 1e12)})
    if (unit == name)
      return rate * scale;
  return std::nullopt;
}

/// Milliseconds: a number, then us, ms, s or nothing, which is ms. Empty for all else.
inline std::optional<double> read_milliseconds(std::string_view text) {
  const auto number = leading_number(text);
  if (!number)
    return std::nullopt;
  for (const auto& [name, scale] :
       {std::pair("", 1.0), std::pair("ms", 1.0), std::pair("us", 1e-3), std::pair("s", 1e3)})
    if (number->second == name)
      return number->first * scale;
  return std::nullopt;
}

inline std::string with_digits(double x, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}

/// "2.4 MB": three digits or so, and the unit that suits.
inline std::string spoken(double amount, const char* unit) {
  const char* const scales[] = {"", "k", "M", "G", "T"};
  int scale = 0;
  for (; amount >= 999.5 && scale < 4; ++scale)
    amount /= 1000;
  const int digits = scale == 0 && amount == std::floor(amount) ? 0 : amount < 99.95 ? 1 : 0;
  return with_digits(amount, digits) + ' ' + scales[scale] + unit;
}

inline std::string spoken_bytes(std::uint64_t n) {
  return spoken(static_cast<double>(n), "B");
}

inline std::string spoken_seconds(double s) {
  return with_digits(s, 2) + " s";
}

} // namespace demo
