#include "planecast/stream/metrics.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <thread>

namespace stream_metrics_test {

using namespace planecast;

TEST_CASE("metrics: an event's time is the first one") {
  request_metrics m;
  for (const event e : {source_free, first_light, focused, quiesced})
    CHECK(!m.at(e));
  const auto before = std::chrono::steady_clock::now();
  m.note(first_light);
  const auto noted = m.at(first_light);
  REQUIRE(noted);
  CHECK(*noted >= before);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  m.note(first_light);
  CHECK(m.at(first_light) == noted);
  CHECK(!m.at(focused));
  m.note(focused);
  CHECK(*m.at(focused) > *noted);
}

TEST_CASE("metrics: bytes add up between the first and the last time") {
  request_metrics m;
  CHECK(!m.first_byte);
  m.note_bytes(0, 10);
  const auto first = m.first_byte;
  CHECK(first);
  CHECK(m.last_byte == first);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  m.note_bytes(2, 32);
  CHECK(m.first_byte == first);
  CHECK(*m.last_byte > *first);
  CHECK(m.data_bytes == 42);
}

TEST_CASE("metrics: bytes are counted by plane, and a peer that says nonsense writes nowhere") {
  request_metrics m;
  m.note_bytes(0, 10);
  m.note_bytes(8, 3);
  m.note_bytes(0, 1);
  for (const std::uint32_t beyond : {9u, 255u, 0xFFFFFFFFu})
    m.note_bytes(beyond, 100);
  CHECK(m.bytes_by_plane == std::array<std::uint64_t, 9>{11, 0, 0, 0, 0, 0, 0, 0, 3});
  CHECK(m.data_bytes == 314);
}

} // namespace stream_metrics_test
