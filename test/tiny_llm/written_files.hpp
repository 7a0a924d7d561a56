// Files of tests: config.json with something changed, safetensors with any header.
#pragma once

#include "tiny_llm/model.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace tiny_test {

/// A folder that is there as long as this.
class temporary_folder {
public:
  explicit temporary_folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("planecast-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

private:
  std::filesystem::path path_;
};

/// A safetensors file of a header, as it is, and data.
inline std::string safetensors_of(const std::string& header, const std::string& data) {
  std::string file;
  for (unsigned i = 0; i < 8; ++i)
    file += static_cast<char>(static_cast<unsigned char>(header.size() >> 8 * i));
  return file + header + data;
}
/// Tensors end to end, with the header that they need.
inline std::string safetensors_of(const tiny::tensors& all) {
  std::string header = "{", data;
  for (const auto& [name, t] : all) {
    header +=
        (header.size() > 1 ? "," : "") + ("\"" + name + "\":{\"dtype\":\"" + t.dtype) + "\",\"shape\":[";
    for (std::size_t i = 0; i < t.shape.size(); ++i)
      header += (i > 0 ? "," : "") + std::to_string(t.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(data.size()) + ",";
    data.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    header += std::to_string(data.size()) + "]}";
  }
  return safetensors_of(header + "}", data);
}

/// A text in which `from` has become `to`.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos)
    throw std::runtime_error("no " + from);
  return text.replace(at, from.size(), to);
}

} // namespace tiny_test
