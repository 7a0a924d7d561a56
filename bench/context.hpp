// Where and when figures were made: what each file under results/ begins with.
#pragma once

#include <cstddef>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

namespace planecast_bench {

/// A string of JSON, quotes and all. Bytes that are not ASCII stand for the characters of those numbers.
inline std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += '\\';
    if (byte >= ' ' && byte <= '~')
      out += c;
    else {
      constexpr char digits[] = "0123456789abcdef";
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out + '"';
}

/// What the machine calls its processor.
inline std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (const std::size_t colon = line.find(": "); line.starts_with("model name") && colon != line.npos)
      return line.substr(colon + 2);
  return "unknown";
}

inline std::string compiler() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__);
#else
  return "g++ " + std::to_string(__GNUC__);
#endif
}

/// Lines of a JSON object, without a comma after the last.
inline std::string context(const std::string& commit) {
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return std::string("  \"date\": \"") + date + "\", \"commit\": " + quoted(commit) +
         ",\n  \"processor\": " + quoted(processor()) +
         ", \"cores\": " + std::to_string(std::thread::hardware_concurrency()) + ",\n  \"compiler\": \"" +
         compiler() + "\"";
}

} // namespace planecast_bench
