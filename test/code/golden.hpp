// The golden vectors: tiles that are pinned byte by byte.
#pragma once

#include "code/independent_decoder.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace planecast_test {

/// A tile, byte by byte, and all that decoders make of it.
struct golden {
  independent::description what;
  bool stored = false;
  std::vector<std::uint16_t> values;
  std::vector<std::uint8_t> tile;
  std::vector<std::vector<std::uint16_t>> shown; // by the first plane, the first two, …
};

/// From a file of test/code/golden.
inline golden read_golden(const std::filesystem::path& path) {
  golden g;
  std::ifstream in(path);
  std::string line, part, digits;
  std::size_t unused = 0;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    if (key == "values" || key == "tile")
      part = key;
    else if (key == "planes_shown") {
      part = key;
      g.shown.emplace_back();
    } else if (part == "values")
      for (words.seekg(0); words >> word;)
        g.values.push_back(static_cast<std::uint16_t>(std::stoul(word, nullptr, 16)));
    else if (part == "planes_shown")
      for (words.seekg(0); words >> word;)
        g.shown.back().push_back(static_cast<std::uint16_t>(std::stoul(word, nullptr, 16)));
    else if (part == "tile")
      for (words.seekg(0); words >> word;)
        for (std::size_t i = 0; i + 1 < word.size(); i += 2)
          g.tile.push_back(static_cast<std::uint8_t>(std::stoul(word.substr(i, 2), nullptr, 16)));
    else if (key == "dtype")
      words >> g.what.dtype;
    else if (key == "quantizer")
      words >> g.what.quantizer >>
          (g.what.quantizer.find("groups") != std::string::npos ? g.what.group : unused);
    else if (key == "planes")
      for (unsigned width = 0; words >> width;)
        g.what.planes.push_back(width);
    else if (key == "tokens")
      words >> g.what.tokens;
    else if (key == "dim")
      words >> g.what.dim;
    else if (key == "stored")
      words >> g.stored;
  }
  return g;
}

} // namespace planecast_test
