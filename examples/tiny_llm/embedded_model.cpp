#include "embedded_model.hpp"

#include <cstddef>
#include <span>
#include <string_view>

// The assembler brings the files in; CMakeLists.txt says where they are.
#if defined(__APPLE__) || !defined(__GNUC__)
#error "tiny_llm: the embedded model needs an assembler with .incbin and ELF"
#endif
#define TINY_EMBED(name, file)                                                                               \
  __asm__(".pushsection .rodata\n"                                                                           \
          ".balign 64\n" name "_begin:\n"                                                                    \
          ".global " name "_begin\n"                                                                         \
          ".incbin \"" TINY_MODEL_DIRECTORY "/" file "\"\n" name "_end:\n"                                   \
          ".global " name "_end\n"                                                                           \
          ".byte 0\n"                                                                                        \
          ".popsection\n")
TINY_EMBED("tiny_embedded_config", "config.json");
TINY_EMBED("tiny_embedded_weights", "model.safetensors");

extern "C" {
extern const char tiny_embedded_config_begin[], tiny_embedded_config_end[];
extern const std::byte tiny_embedded_weights_begin[], tiny_embedded_weights_end[];
}

namespace tiny {

std::shared_ptr<const model> embedded() {
  static const std::shared_ptr<const model> one = [] {
    const std::string where = "the embedded model";
    const std::string_view config(
        tiny_embedded_config_begin,
        static_cast<std::size_t>(tiny_embedded_config_end - tiny_embedded_config_begin));
    const std::span weights(
        tiny_embedded_weights_begin,
        static_cast<std::size_t>(tiny_embedded_weights_end - tiny_embedded_weights_begin));
    return std::make_shared<const model>(read_config(config, where), read_safetensors(weights, where), where);
  }();
  return one;
}

} // namespace tiny
