#include "planecast/stream/frame.hpp"

#include "stream/scripted.hpp"
#include "support/dice.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace stream_frame_test {

using namespace planecast;

namespace {

// A number by its place in the layout, lowest byte first.
std::uint64_t number_at(const test::message& m, std::size_t at, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = bytes; i-- > 0;)
    sum = sum * 256 + std::to_integer<std::uint64_t>(m.at(at + i));
  return sum;
}

frame_header random_header(test::dice& dice) {
  const auto any = [&] { return dice.engine()(); };
  return {.kind = static_cast<frame_kind>(dice.below(256)),
          .plane = static_cast<std::uint8_t>(any()),
          .request = any(),
          .sequence = any(),
          .first = static_cast<std::uint32_t>(any()),
          .count = static_cast<std::uint32_t>(any()),
          .layer_first = static_cast<std::uint16_t>(any()),
          .layer_count = static_cast<std::uint16_t>(any()),
          .opening = static_cast<std::uint32_t>(any())};
}

test::message noise(std::size_t size, test::dice& dice) {
  test::message m(size);
  std::generate(m.begin(), m.end(), [&] { return static_cast<std::byte>(dice.below(256)); });
  return m;
}

status check(std::span<const std::byte> m) {
  frame_header h;
  const status s = read_header(m, h);
  return s.ok() ? check_payload(m, h) : s;
}

// Makes the header's checksum right again.
void sign(test::message& m) {
  const std::uint64_t sum = checksum_of(std::span(m).first(60));
  detail::store(&m[60], static_cast<std::uint32_t>(sum ^ (sum >> 32)));
}

} // namespace

TEST_CASE("frame: every field has its place") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    frame_header h = random_header(dice);
    const test::message payload = noise(dice.below(3000), dice);
    const test::message m = test::frame(h, payload);
    REQUIRE(m.size() == 64 + payload.size());
    CHECK(number_at(m, 0, 4) == 0x54534350);
    CHECK(std::equal(m.begin(), m.begin() + 4, reinterpret_cast<const std::byte*>("PCST")));
    CHECK(number_at(m, 4, 2) == 3);
    CHECK(number_at(m, 6, 1) == static_cast<std::uint64_t>(h.kind));
    CHECK(number_at(m, 7, 1) == h.plane);
    CHECK(number_at(m, 8, 8) == h.request);
    CHECK(number_at(m, 16, 8) == h.sequence);
    CHECK(number_at(m, 24, 4) == h.first);
    CHECK(number_at(m, 28, 4) == h.count);
    CHECK(number_at(m, 32, 2) == h.layer_first);
    CHECK(number_at(m, 34, 2) == h.layer_count);
    CHECK(number_at(m, 36, 8) == 0);
    CHECK(number_at(m, 44, 4) == payload.size());
    CHECK(number_at(m, 48, 8) == checksum_of(payload));
    CHECK(number_at(m, 56, 4) == h.opening);
    const std::uint64_t sum = checksum_of(std::span(m).first(60));
    CHECK(number_at(m, 60, 4) == ((sum ^ (sum >> 32)) & 0xFFFFFFFFu));
    CHECK(std::equal(payload.begin(), payload.end(), m.begin() + 64));

    frame_header back;
    CHECK(read_header(m, back).ok());
    CHECK(check_payload(m, back).ok());
    h.payload_bytes = static_cast<std::uint32_t>(payload.size());
    h.payload_checksum = checksum_of(payload);
    CHECK(back == h);
  }
}

TEST_CASE("frame: a pinned one") {
  const test::message m = test::frame({.kind = frame_kind::upgrade,
                                       .plane = 2,
                                       .request = 0x0102030405060708u,
                                       .sequence = 9,
                                       .first = 10,
                                       .count = 11,
                                       .layer_first = 12,
                                       .layer_count = 13,
                                       .opening = 14},
                                      test::numbers(std::uint32_t{0xDDCCBBAAu}));
  std::string hex;
  for (const std::byte b : m) {
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  CHECK(hex == "5043535403001302080706050403020109000000000000000a0000000b000000"
               "0c000d00000000000000000004000000afe73db838b9431c0e000000a2b4cee0"
               "aabbccdd");
}

TEST_CASE("frame: every flipped bit is seen") {
  test::dice dice(5);
  test::message m = test::frame(random_header(dice), noise(300, dice));
  REQUIRE(check(m).ok());
  for (std::size_t bit = 0; bit < 8 * m.size(); ++bit) {
    const auto mask = static_cast<std::byte>(1u << bit % 8);
    m[bit / 8] ^= mask;
    if (check(m).ok())
      FAIL_CHECK("bit " << bit);
    m[bit / 8] ^= mask;
  }
}

TEST_CASE("frame: every length but the right one is seen") {
  test::dice dice(6);
  for (const std::size_t payload : {0u, 1u, 300u}) {
    test::message m = test::frame(random_header(dice), noise(payload, dice));
    for (std::size_t length = 0; length < m.size(); ++length)
      if (!(check(std::span(m).first(length)) == errc::corrupt))
        FAIL_CHECK("cut to " << length);
    for (int more = 0; more < 70; ++more) {
      m.push_back(std::byte{0});
      if (!(check(m) == errc::corrupt))
        FAIL_CHECK((more + 1) << " zeros more");
    }
  }
}

TEST_CASE("frame: another wire version is no damage, and is named") {
  test::message m = test::frame({.kind = frame_kind::hello});
  m[4] = std::byte{0x34};
  m[5] = std::byte{0x12};
  CHECK(check(m) == errc::corrupt); // the checksum comes first
  sign(m);
  const status s = check(m);
  CHECK(s == errc::mismatch);
  CHECK(s.here == wire_version);
  CHECK(s.there == 0x1234);
}

TEST_CASE("frame: magic and zeros are looked at, even where the checksum is right") {
  for (const std::size_t at : {0u, 3u, 36u, 37u, 38u, 39u, 40u, 41u, 42u, 43u}) {
    CAPTURE(at);
    test::message m = test::frame({.kind = frame_kind::hello});
    m[at] ^= std::byte{0x40};
    sign(m);
    CHECK(check(m) == errc::corrupt);
  }
}

TEST_CASE("frame: pieces of any size give the same as one") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const frame_header h = random_header(dice);
    const test::message payload = noise(dice.below(20000), dice);
    test::message room(frame_header_bytes + payload.size() + dice.below(100), std::byte{0xEE});
    frame_writer w(room);
    for (std::size_t at = 0; at < payload.size();) {
      const std::size_t take =
          std::min<std::size_t>(dice.below(dice.one_in(2) ? 50 : 9000), payload.size() - at);
      w.add(std::span(payload).subspan(at, take));
      at += take;
    }
    w.add({}); // nothing, from nowhere
    const auto whole = w.finish(h);
    const test::message once = test::frame(h, payload);
    CHECK(std::equal(whole.begin(), whole.end(), once.begin(), once.end()));
    CHECK(std::all_of(room.begin() + static_cast<std::ptrdiff_t>(whole.size()), room.end(),
                      [](std::byte b) { return b == std::byte{0xEE}; }));
  }
}

TEST_CASE("frame: numbers are added lowest byte first") {
  test::message room(frame_header_bytes + 15);
  frame_writer w(room);
  w.add_number(std::uint8_t{1});
  w.add_number(std::uint16_t{0x0302});
  w.add_number(std::uint32_t{0x07060504});
  w.add_number(std::uint64_t{0x0F0E0D0C0B0A0908u});
  const auto whole = w.finish({});
  for (std::size_t i = 0; i < 15; ++i)
    CHECK(std::to_integer<std::size_t>(whole[frame_header_bytes + i]) == i + 1);
}

} // namespace stream_frame_test
