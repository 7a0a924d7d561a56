#include "planecast/decode/probe_verdict.hpp"
#include "planecast/policy/precision_policy.hpp"

#include "support/dice.hpp"

#include <doctest/doctest.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_probe_verdict_test {

namespace {

namespace pc = planecast;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using never_exact =
    pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>>;

const pc::geometry shape{.layers = 4, .kv_heads = 2, .key_dim = 64, .value_dim = 64};

pc::probe_verdict some_verdict() {
  return {pc::probe_subject::of<policy>(shape, {.model = pc::name_fingerprint("some model")}),
          2,
          {{4, 3, 1, 3}, {8, 3, 3, 0}}};
}
std::string signed_text(std::string body) {
  const std::uint64_t sum = pc::name_fingerprint(body);
  return body + "sum " + std::to_string(sum) + "\n";
}
std::string body_of(const std::string& text) {
  return text.substr(0, text.rfind("sum "));
}

TEST_CASE("verdict: the lowest tier is one above which none is refused") {
  pc::probe_verdict v = some_verdict();
  CHECK(v.lowest() == pc::tolerated_tier{1, 8});
  v.tiers[0].passed = 2;
  CHECK(v.lowest() == pc::tolerated_tier{0, 4});
  v.tiers[1].passed = 1; // a cache rises through it
  CHECK(v.tolerates(0));
  CHECK(v.lowest() == pc::tolerated_tier{2, pc::lossless});
  v.subject = pc::probe_subject::of<never_exact>(shape, {});
  CHECK(!v.lowest());
  v.tiers[1].passed = 2;
  CHECK(v.lowest() == pc::tolerated_tier{0, 4});
  v.tiers[1].trials = 2;
  CHECK(!v.lowest());
}

TEST_CASE("verdict: saved and loaded, it is the same") {
  const pc::probe_verdict v = some_verdict();
  const std::string text = v.save();
  CHECK(text.starts_with("planecast-probe 1\npolicy "));
  CHECK(text.find("tiers 480\ntrials 3\nmust_pass 2\nattempts 12\nshare 300000\n") != std::string::npos);
  CHECK(text.find("inconclusive 2\ntier 4 trials 3 passed 1 base_alone 3 not_tolerated\n"
                  "tier 8 trials 3 passed 3 base_alone 0 tolerated\nsum ") != std::string::npos);
  pc::probe_verdict loaded;
  REQUIRE(loaded.load(text, v.subject).ok());
  CHECK(loaded == v);

  test::dice dice(1);
  for (int i = 0; i < 300; ++i) {
    pc::probe_options o;
    o.trials = dice.between(1, 9);
    o.must_pass = dice.between(1, o.trials);
    o.attempts = dice.between(o.trials, 20);
    o.share = static_cast<double>(dice.below(1001)) / 1000;
    o.model = dice.engine()();
    pc::probe_verdict any;
    any.subject = dice.one_in(2) ? pc::probe_subject::of<policy>(shape, o)
                                 : pc::probe_subject::of<never_exact>(shape, o);
    const std::uint32_t trials = dice.one_in(2) ? o.trials : dice.below(o.trials + 1);
    any.inconclusive = dice.below(o.attempts - trials + 1);
    for (const std::uint32_t bits : {4u, 8u})
      any.tiers.push_back({bits, trials, dice.below(trials + 1), dice.below(trials + 1)});
    CAPTURE(any.save());
    REQUIRE(loaded.load(any.save(), any.subject).ok());
    REQUIRE(loaded == any);
  }
}

TEST_CASE("verdict: of another policy, shape, model or way of trying it is refused, with both values") {
  const pc::probe_verdict v = some_verdict();
  const std::string text = v.save();
  struct change {
    std::uint64_t pc::probe_subject::*what;
    const char* about;
  };
  const change changes[] = {
      {&pc::probe_subject::policy, "policy"},
      {&pc::probe_subject::geometry, "geometry"},
      {&pc::probe_subject::model, "model"},
      {&pc::probe_subject::tiers, "tiers"},
      {&pc::probe_subject::trials, "trials"},
      {&pc::probe_subject::must_pass, "must pass"},
      {&pc::probe_subject::attempts, "needles"},
      {&pc::probe_subject::share, "budget"},
      {&pc::probe_subject::places, "lengths and depths"},
  };
  for (const change& c : changes) {
    pc::probe_subject other = v.subject;
    other.*c.what += 1;
    pc::probe_verdict loaded;
    const pc::status s = loaded.load(text, other);
    CHECK(s == pc::errc::mismatch);
    CHECK(std::string(s.about).find(c.about) != std::string::npos);
    CHECK(s.here == other.*c.what);
    CHECK(s.there == v.subject.*c.what);
    CHECK(s.message().find(std::to_string(s.there)) != std::string::npos);
    CHECK(loaded == pc::probe_verdict{}); // it is what it was
  }
  std::string newer = text;
  newer.replace(16, 1, "2");
  pc::probe_verdict loaded;
  const pc::status s = loaded.load(newer, v.subject);
  CHECK(s == pc::errc::mismatch);
  CHECK(s.here == 1);
  CHECK(s.there == 2);
}

TEST_CASE("verdict: subjects differ where what they are made from differs") {
  const pc::probe_subject usual = pc::probe_subject::of<policy>(shape, {});
  CHECK(usual == pc::probe_subject::of<policy>(shape, {}));
  CHECK(usual.tiers == 480);
  CHECK(pc::probe_subject::of<never_exact>(shape, {}).tiers == 48);
  pc::geometry wider = shape;
  wider.kv_heads = 4;
  CHECK(pc::probe_subject::of<policy>(wider, {}).geometry != usual.geometry);
  CHECK(pc::probe_subject::of<policy>(shape, {.lengths = {512, 512}}).places != usual.places);
  CHECK(pc::probe_subject::of<policy>(shape, {.depths = {0.1, 0.5, 0.8}}).places != usual.places);
  CHECK(pc::probe_subject::of<policy>(shape, {.share = 0.31}).share == 310'000);
  CHECK(pc::probe_subject::of<policy>(shape, {.timeout = std::chrono::seconds(1)}) == usual);
  CHECK(pc::name_fingerprint("a") != pc::name_fingerprint("b"));
  CHECK_THROWS_AS((void)pc::probe_subject::of<policy>(shape, {.trials = 0}), std::invalid_argument);
}

TEST_CASE("verdict: a text that was changed anywhere is refused, and nothing is taken from it") {
  const pc::probe_verdict v = some_verdict();
  const std::string text = v.save();
  pc::probe_verdict loaded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK(!loaded.load(text.substr(0, i), v.subject).ok());
    for (const char c : {'\0', '\n', ' ', '0', '9', 'x', '-', '\xff'}) {
      std::string other = text;
      other[i] = c;
      if (other != text)
        REQUIRE(!loaded.load(other, v.subject).ok());
      other = text;
      other.insert(i, 1, c);
      REQUIRE(!loaded.load(other, v.subject).ok());
    }
  }
  CHECK(!loaded.load(text + "\n", v.subject).ok());
  CHECK(!loaded.load(text + text, v.subject).ok());
  CHECK(loaded.load(std::string(5000, '7'), v.subject) == pc::errc::limit);
  CHECK(loaded == pc::probe_verdict{});
}

TEST_CASE("verdict: a text with the right sum that makes no sense is refused") {
  const pc::probe_verdict v = some_verdict();
  const std::string body = body_of(v.save());
  pc::probe_verdict loaded;
  REQUIRE(loaded.load(signed_text(body), v.subject).ok());
  struct change {
    const char *was, *is;
  };
  for (const change& c : {
           change{"passed 1 ", "passed 4 "}, // of 3
           {"trials 3 passed 1", "trials 2 passed 1"},
           {"trials 3 passed 3", "trials 4 passed 3"},
           {"base_alone 3", "base_alone 9"},
           {"inconclusive 2", "inconclusive 10"}, // with 3 that counted, more than were asked for
           {"inconclusive 2", "inconclusive 4294967295"},
           {"inconclusive 2", "inconclusive 4294967296"},
           {"inconclusive 2", "inconclusive -1"},
           {"inconclusive 2", "inconclusive 02"},
           {"inconclusive 2", "inconclusive  2"},
           {"inconclusive 2\n", ""},
           {"inconclusive 2\n", "inconclusive 2\r\n"},
           {"not_tolerated", "tolerated"},
           {"not_tolerated", "undecided"},
           {"tier 8", "tier 7"},
           {"tier 8 trials 3 passed 3 base_alone 0 tolerated\n", ""},
           {"tier 8", "tier 4 trials 3 passed 1 base_alone 3 not_tolerated\ntier 8"},
           {"trials 3\n", "trials 99999999999999999999\n"},
       }) {
    std::string other = body;
    CAPTURE(std::string(c.is));
    REQUIRE(other.find(c.was) != std::string::npos);
    other.replace(other.find(c.was), std::string(c.was).size(), c.is);
    CHECK(loaded.load(signed_text(other), v.subject) == pc::errc::corrupt);
  }
  test::dice dice(2);
  for (int i = 0; i < 20000; ++i) { // whatever is loaded is a verdict that says the same
    std::string other = body;
    for (std::uint32_t n = dice.between(1, 3); n > 0; --n)
      other[dice.below(other.size())] = "0123456789 \nt"[dice.below(13)];
    if (loaded.load(signed_text(other), v.subject).ok()) {
      REQUIRE(loaded.save() == signed_text(other));
      REQUIRE(loaded.subject == v.subject);
      REQUIRE(loaded.tiers.size() == 2);
    }
  }
}

} // namespace

} // namespace decode_probe_verdict_test
