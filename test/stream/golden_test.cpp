// What goes on the wire, pinned: both ends still say these bytes, and a reader that shares no code with the
// library gets the cache from them, bit for bit.
#include "stream/golden_exchange.hpp"
#include "stream/independent_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct line {
  std::string who; // and lane
  independent::bytes message;
};

std::vector<line> pinned() {
  std::ifstream in(PLANECAST_STREAM_GOLDEN "/exchange.txt");
  std::vector<line> all;
  for (std::string who, on, hex; in >> who >> on >> hex;) {
    line l{who + " " + on, {}};
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      l.message.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    all.push_back(std::move(l));
  }
  return all;
}

} // namespace

TEST_CASE("golden: both ends put these bytes on the wire") {
  const test::golden_exchange exchange;
  REQUIRE(exchange.result.ok());
  std::ostringstream text;
  exchange.write(text);
  std::ifstream in(PLANECAST_STREAM_GOLDEN "/exchange.txt");
  std::ostringstream file;
  file << in.rdbuf();
  REQUIRE(file.str().size() > 1000);
  CHECK(file.str().size() < 60000);
  CHECK((text.str() == file.str())); // too long to print
  const test::golden_exchange again;
  CHECK((again.sender_data == exchange.sender_data));
}

TEST_CASE("golden: an independent reader gets the cache from these bytes, bit for bit") {
  using golden = test::golden_exchange;
  independent::reader reader;
  std::vector<independent::message> answers;
  for (const line& l : pinned()) {
    if (l.who == "sender control")
      reader.control(l.message);
    else if (l.who == "sender data")
      reader.data(l.message);
    else
      answers.push_back(independent::parse(l.message));
  }
  REQUIRE(reader.complete());
  CHECK(reader.request == golden::request);
  CHECK(reader.opening == 1); // the first
  REQUIRE(reader.tokens == golden::tokens);
  REQUIRE(reader.layers == 2);
  CHECK(reader.key_dim == 8);
  CHECK(reader.value_dim == 16);
  std::size_t wrong = 0;
  for (std::uint32_t l = 0; l < 2; ++l)
    for (std::uint32_t t = 0; t < golden::tokens; ++t)
      for (std::uint32_t c = 0; c < 24; ++c)
        wrong += reader.value(l, 0, c >= 8, t, c < 8 ? c : c - 8) != golden::pattern(l, t, c) ? 1 : 0;
  CHECK(wrong == 0);
  CHECK(!reader.stored.empty());
  CHECK(std::find(reader.stored.begin(), reader.stored.end(), 1) != reader.stored.end());

  // The order: two sinks, the last six, then by falling score.
  const std::vector<std::uint64_t> pins{0, 1, 64, 65, 66, 67, 68, 69};
  CHECK(std::equal(pins.begin(), pins.end(), reader.order.begin()));
  for (std::size_t i = 9; i < reader.order.size(); ++i)
    CHECK(golden::score(static_cast<std::uint32_t>(reader.order[i - 1])) >=
          golden::score(static_cast<std::uint32_t>(reader.order[i])));
  CHECK(reader.light_bytes <= golden::budget_bytes);
  CHECK(reader.light_bytes > golden::budget_bytes - 100); // the cut is within a run
  CHECK(reader.light_upgrades > 0);
  CHECK(reader.light_upgrades < 2 * golden::tokens);

  // The receiver: hello, accept, first light, focused.
  REQUIRE(answers.size() == 4);
  const std::uint64_t kinds[] = {1, 3, 5, 5};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(answers[i].kind == kinds[i]);
    CHECK(answers[i].sequence == i);
    CHECK(answers[i].request == (i == 0 ? 0 : golden::request));
    CHECK(answers[i].opening == (i == 0 ? 0 : reader.opening));
    CHECK(answers[i].first == (i < 2 ? 0 : i - 1));
  }
}
