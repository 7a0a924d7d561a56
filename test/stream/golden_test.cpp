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

namespace stream_golden_test {

namespace {

using test::golden_case;
using golden = test::golden_exchange;

std::string pinned(const golden_case& c) {
  std::ifstream in(std::string(PLANECAST_STREAM_GOLDEN "/") + c.file);
  std::ostringstream file;
  file << in.rdbuf();
  return file.str();
}

/// The sender's messages, read; the receiver's.
struct pinned_exchange {
  explicit pinned_exchange(const golden_case& c) : reader(heads_of(c.model)) {
    std::istringstream in(pinned(c));
    for (std::string who, on, hex; in >> who >> on >> hex;) {
      independent::bytes message;
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        message.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
      if (who == "receiver")
        answers.push_back(independent::parse(message));
      else if (on == "control")
        reader.control(message);
      else
        reader.data(message);
    }
  }
  static std::vector<std::uint64_t> heads_of(const planecast::geometry& model) {
    std::vector<std::uint64_t> heads;
    for (std::uint32_t l = 0; l < model.layers; ++l)
      heads.push_back(model.heads(l));
    return heads;
  }
  independent::reader reader;
  std::vector<independent::message> answers;
};

} // namespace

TEST_CASE("golden: both ends put these bytes on the wire") {
  for (const golden_case& c : test::golden_cases) {
    CAPTURE(c.file);
    const golden exchange(c);
    REQUIRE(exchange.result.ok());
    std::ostringstream text;
    exchange.write(text);
    const std::string file = pinned(c);
    REQUIRE(file.size() > 1000);
    CHECK(file.size() < 60000);
    CHECK((text.str() == file)); // too long to print
    const golden again(c);
    CHECK((again.sender_data == exchange.sender_data));
  }
}

TEST_CASE("golden: an independent reader gets the cache from these bytes, bit for bit") {
  for (const golden_case& c : test::golden_cases) {
    if (c.keeps_all != 1)
      continue; // below
    CAPTURE(c.file);
    const pinned_exchange exchange(c);
    const independent::reader& reader = exchange.reader;
    REQUIRE(reader.complete());
    CHECK(reader.request == golden::request);
    CHECK(reader.opening == 1); // the first
    CHECK(reader.kept == 0);
    CHECK(reader.key_dim == 8);
    CHECK(reader.value_dim == 16);
    REQUIRE(reader.tokens == c.tokens);
    REQUIRE(reader.first == c.first);
    REQUIRE(reader.layer_first == c.carried.layer_first);
    REQUIRE(reader.layer_count == c.model.of(c.carried).layers);
    std::size_t wrong = 0, heads = 0;
    for (std::uint64_t l = reader.layer_first; l < reader.layer_first + reader.layer_count; ++l)
      for (std::uint64_t h = reader.head_first(l); h < reader.head_first(l) + reader.heads(l); ++h, ++heads)
        for (std::uint32_t t = c.first; t < c.tokens; ++t)
          for (std::uint32_t i = 0; i < 24; ++i)
            wrong +=
                reader.value(l, h, i >= 8, t, i < 8 ? i : i - 8) !=
                        golden::pattern(static_cast<std::uint32_t>(l), static_cast<std::uint32_t>(h), t, i)
                    ? 1
                    : 0;
    CHECK(wrong == 0);
    CHECK(heads == c.model.of(c.carried).all_heads());
    CHECK((std::find(reader.stored.begin(), reader.stored.end(), 1) != reader.stored.end()) == !c.per_layer);

    // The order: sinks of the sequence, the last six, then by falling score.
    CHECK(reader.per_layer == c.per_layer);
    const std::uint64_t layers = c.per_layer ? reader.layer_count : 1;
    std::vector<std::uint64_t> pins;
    for (std::uint64_t t = c.first; t < c.tokens; ++t)
      for (std::uint64_t l = 0; l < layers; ++l)
        if (t < 2 || t + 6 >= c.tokens)
          pins.push_back(l * c.tokens + t);
    REQUIRE(pins.size() < reader.order.size());
    REQUIRE(reader.order.size() == layers * (c.tokens - c.first));
    CHECK(std::equal(pins.begin(), pins.end(), reader.order.begin()));
    const auto score = [&](std::uint64_t item) {
      return golden::score(static_cast<std::uint32_t>(item % c.tokens),
                           static_cast<std::uint32_t>(item / c.tokens));
    };
    for (std::size_t i = pins.size() + 1; i < reader.order.size(); ++i)
      CHECK(score(reader.order[i - 1]) >= score(reader.order[i]));
    CHECK(reader.light_bytes <= c.budget_bytes);
    CHECK(reader.light_bytes > c.budget_bytes - 100); // the cut is within a run
    CHECK(reader.light_upgrades > 0);
    CHECK(reader.light_upgrades < 2 * layers * (c.tokens - c.first));
  }
}

TEST_CASE("golden: an independent reader gets the tokens that are kept, as far as the budget goes") {
  const golden_case& c = *std::ranges::find(test::golden_cases, 3u, &golden_case::keeps_all);
  const pinned_exchange exchange(c);
  const independent::reader& reader = exchange.reader;
  REQUIRE(reader.complete_at_the_cut());
  REQUIRE(reader.tokens == 20);
  std::vector<std::uint64_t> whole = {30}; // then 0 2 3 5 6 8 …
  for (std::uint64_t t = 0; t < 30; ++t)
    if (t % 3 != 1)
      whole.push_back(t);
  CHECK(reader.kept == independent::fingerprint(whole));
  CHECK(reader.light_bytes <= c.budget_bytes);
  CHECK(reader.light_bytes > c.budget_bytes - 100);
  std::size_t wrong = 0, exact = 0;
  for (std::uint64_t l = 0; l < 2; ++l)
    for (std::uint32_t t = 0; t < 20; ++t)
      for (std::uint32_t i = 0; i < 24 && reader.planes(t) == 3; ++i, ++exact)
        wrong += reader.value(l, 0, i >= 8, t, i < 8 ? i : i - 8) !=
                         golden::pattern(static_cast<std::uint32_t>(l), 0,
                                         static_cast<std::uint32_t>(whole[t + 1]), i)
                     ? 1
                     : 0;
  CHECK(wrong == 0);
  CHECK(exact > 300);
  CHECK(exact < 960); // the last planes of some were not sent
}

TEST_CASE("golden: the receiver says hello, accept, first light, focused") {
  for (const golden_case& c : test::golden_cases) {
    CAPTURE(c.file);
    const auto answers = pinned_exchange(c).answers;
    REQUIRE(answers.size() == 4);
    const std::uint64_t kinds[] = {1, 3, 5, 5};
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(answers[i].kind == kinds[i]);
      CHECK(answers[i].sequence == i);
      CHECK(answers[i].request == (i == 0 ? 0 : golden::request));
      CHECK(answers[i].opening == (i == 0 ? 0 : 1));
      CHECK(answers[i].first == (i < 2 ? 0 : i - 1));
    }
  }
}

} // namespace stream_golden_test
