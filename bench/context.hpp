// Where and when figures were made: what each file under results/ begins with.
#pragma once

#include <ctime>
#include <fstream>
#include <string>
#include <thread>

namespace planecast_bench {

/// What the machine calls its processor.
inline std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
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
  return std::string("  \"date\": \"") + date + "\", \"commit\": \"" + commit + "\",\n  \"processor\": \"" +
         processor() + "\", \"cores\": " + std::to_string(std::thread::hardware_concurrency()) +
         ",\n  \"compiler\": \"" + compiler() + "\"";
}

} // namespace planecast_bench
