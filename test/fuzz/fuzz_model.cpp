// Any bytes as a model's files, for the reference engine: a model that runs, or an error that names the file.
// The first byte says what the rest is: a config.json for good weights, weights' header for a good config, a
// JSON text, or both files.
#include "fuzz/input.hpp"
#include "tiny_llm/engine.hpp"

#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

std::string file(const char* name) {
  std::ifstream in(std::string(FUZZ_MODEL) + "/" + name, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  FUZZ_CHECK(!text.empty());
  return text;
}

void open(const std::string& config, const std::string& weights) {
  try {
    // A copy of just these bytes: a sanitizer sees what is read behind them.
    const std::vector<char> exactly(weights.begin(), weights.end());
    const auto m = std::make_shared<const tiny::model>(
        tiny::read_config(config, "file"), tiny::read_safetensors(std::as_bytes(std::span(exactly)), "file"),
        "file");
    FUZZ_CHECK(m->bytes() <= weights.size());
    tiny::engine e(m, {.context = 4});
    (void)e.step(0);
    FUZZ_CHECK(e.position() == 1);
  } catch (const std::runtime_error& e) {
    FUZZ_CHECK(std::string_view(e.what()).starts_with("file: "));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string config = file("config.json"), weights = file("model.safetensors");
  if (size == 0)
    return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::uint64_t header = 0;
  std::memcpy(&header, weights.data(), 8);
  switch (data[0] % 4) {
  case 0:
    open(rest, weights);
    break;
  case 1: {
    std::string all(8, '\0');
    const std::uint64_t length = rest.size();
    std::memcpy(all.data(), &length, 8);
    open(config, all + rest + weights.substr(8 + header));
    break;
  }
  case 2:
    try {
      const tiny::json j = tiny::json::parse(rest, "file");
      FUZZ_CHECK(j.find("a") == nullptr || j.as_object() != nullptr);
    } catch (const std::runtime_error& e) {
      FUZZ_CHECK(std::string_view(e.what()).starts_with("file: byte "));
    }
    break;
  default: {
    const std::size_t half = rest.size() / 2;
    open(rest.substr(0, half), rest.substr(half));
  }
  }
  return 0;
}
