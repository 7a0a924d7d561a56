// The embedded model's cache from one process to another over TCP: equal text and cache.
#include "decode/two_processes.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <doctest/doctest.h>
#include <string_view>
#include <vector>

namespace tiny_llm_two_processes_test {

namespace {

using namespace decode_test;

constexpr std::string_view story = "In the beginning the king said unto him, Behold, the number of Zorilo is "
                                   "48213. And it came to pass that all "
                                   "the people of the house went out, and there was not one of them who had "
                                   "seen the machine. Now the machine was in "
                                   "the house of the king, and the king was old; and they said one to "
                                   "another, What is the number of Zorilo? ";

TEST_CASE("the embedded model's text and cache are the original's in another process") {
  const auto model = tiny::embedded();
  for (const std::size_t cut : {100u, 180u, 250u, 300u}) {
    CAPTURE(cut);
    const std::string_view part = story.substr(0, cut);
    const tiny::engine_options options{.context = 400};
    tiny::engine prefill(model, options);
    const pc::geometry shape = prefill.geometry();
    const scene<tiny::engine> s(std::move(prefill), shape, {part.begin(), part.end()}, 24);
    tiny::engine decode(model, options);
    hand_over(s, decode, cut == 180 ? 0.4 : 0);
  }
}

} // namespace

} // namespace tiny_llm_two_processes_test
