#include "planecast/decode/check_engine.hpp"

#include "code/rows.hpp"
#include "fixtures.hpp"
#include "support/dice.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tiny_llm_engine_test {

namespace {

using namespace tiny_test;
namespace pc = planecast;
using pc::token_id;

// The same tokens through two engines: one token at a time, and in runs of any length.
void same_in_runs(const std::shared_ptr<const tiny::model>& m, const tiny::engine_options& one,
                  const tiny::engine_options& other, const ids& tokens, std::uint64_t seed) {
  CAPTURE(seed);
  tiny::engine steps(m, one), runs(m, other);
  const std::size_t vocab = m->config().vocab;
  std::vector<float> by_step(tokens.size() * vocab), by_run(by_step.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    steps.forward({&tokens[i], 1}, {&by_step[i * vocab], vocab});
  test::dice dice(seed);
  for (std::size_t at = 0, n = 0; at < tokens.size(); at += n) {
    n = std::min<std::size_t>(tokens.size() - at, dice.between(1, dice.one_in(3) ? 130 : 9));
    runs.forward(std::span(tokens).subspan(at, n), {&by_run[at * vocab], n * vocab});
  }
  CHECK(std::memcmp(by_step.data(), by_run.data(), by_step.size() * sizeof(float)) == 0);
  CHECK(same_cache(steps, runs, static_cast<std::uint32_t>(tokens.size())));
}

TEST_CASE("tiny: steps and runs of any length compute the same, bit for bit") {
  for (const std::string kind : kinds) {
    CAPTURE(kind);
    const auto m = tiny::load(fixture(kind));
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const auto dtype = seed % 2 == 0 ? pc::number::bf16 : pc::number::fp16;
      same_in_runs(m, {.dtype = dtype},
                   {.block_size = 1 + 3 * static_cast<std::uint32_t>(seed), .dtype = dtype},
                   some_tokens(*m, 128, seed), seed);
    }
  }
  const auto m = tiny::embedded();
  same_in_runs(m, {}, {}, some_tokens(*m, 150, 7), 7);
}

TEST_CASE("tiny: AVX2 and what every machine has compute the same, bit for bit") {
  if (!tiny::has_vectors()) {
    MESSAGE("This test is skipped: the machine has no AVX2.");
    return;
  }
  for (const std::string kind : kinds) {
    CAPTURE(kind);
    const auto m = tiny::load(fixture(kind));
    same_in_runs(m, {.vectors = false}, {.vectors = true}, some_tokens(*m, 128, 11), 11);
    same_in_runs(m, {.dtype = pc::number::fp16, .vectors = true},
                 {.dtype = pc::number::fp16, .vectors = false}, some_tokens(*m, 128, 12), 12);
  }
  const auto m = tiny::embedded();
  same_in_runs(m, {.vectors = false}, {.vectors = true}, some_tokens(*m, 150, 13), 13);
}

#if defined(__x86_64__)
TEST_CASE("tiny: a caller that flushes denormals to zero gets the same, and keeps its mode") {
  const auto m = tiny::load(fixture("linear"));
  const ids tokens = some_tokens(*m, 60, 17);
  std::vector<float> usual(60 * m->config().vocab), flushed(usual.size());
  for (const bool vectors : {false, true}) {
    tiny::engine(m, {.vectors = vectors}).forward(tokens, usual);
    const unsigned before = _mm_getcsr();
    _mm_setcsr(0xFFC0 & (before | 0x8040 | 0x6000)); // and rounds toward zero
    const unsigned asked = _mm_getcsr();
    tiny::engine(tiny::load(fixture("linear")), {.vectors = vectors}).forward(tokens, flushed);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK((after & 0xFFC0) == (asked & 0xFFC0));
    CHECK(std::memcmp(usual.data(), flushed.data(), usual.size() * sizeof(float)) == 0);
  }
}
#endif

// The bits themselves, which no compiler, flag or machine changes. Made by this test; they change with the
// fixtures and with the order of the sums, and with nothing else.
TEST_CASE("tiny: the logits' bits are known") {
  const struct {
    const char* kind;
    std::uint64_t bf16, fp16;
  } known[] = {{"llama3", 0x157770AADD1BDAD2u, 0xCB7FBE6C0DAE2A0Au},
               {"linear", 0xC11FF31EE0BFA2B5u, 0x6E789CAD032A4930u},
               {"one_kv_head", 0x11360E9FA77869B4u, 0x225D88CA8BAF1083u},
               {"qwen2", 0xC23D3846DF190C8Fu, 0x2927BAC7D83DE666u},
               {"yarn", 0xA621C96F9412D1EAu, 0x935123B4CA1D2311u}};
  for (const auto& k : known) {
    const auto m = tiny::load(fixture(k.kind));
    const ids tokens = some_tokens(*m, 128, 99);
    const auto bits = [&](pc::number dtype) {
      std::vector<float> logits(tokens.size() * m->config().vocab);
      tiny::engine(m, {.dtype = dtype}).forward(tokens, logits);
      std::uint64_t sum = 0xCBF29CE484222325u; // FNV-1a
      for (const float x : logits)
        sum = (sum ^ pc::detail::bit_cast<std::uint32_t>(x)) * 0x100000001B3u;
      return sum;
    };
    CAPTURE(k.kind);
    CHECK(bits(pc::number::bf16) == k.bf16);
    CHECK(bits(pc::number::fp16) == k.fp16);
  }
}

TEST_CASE("tiny: every weight means the same to both sets of loops") {
  const auto &a = tiny::kernels_of_this_machine(false), &b = tiny::kernels_of_this_machine(true);
  std::vector<std::uint16_t> all(65536 + 5);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = static_cast<std::uint16_t>(i);
  const auto* const bytes = reinterpret_cast<const std::byte*>(all.data());
  std::vector<float> x(all.size()), y(all.size());
  a.widen(tiny::weight_type::bf16, bytes, all.size(), x.data());
  b.widen(tiny::weight_type::bf16, bytes, all.size(), y.data());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float want = pc::bf16::value(all[i]);
    CHECK(std::memcmp(&x[i], &want, 4) == 0);
    CHECK(std::memcmp(&y[i], &want, 4) == 0);
  }
  a.widen(tiny::weight_type::f16, bytes, all.size(), x.data());
  b.widen(tiny::weight_type::f16, bytes, all.size(), y.data());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float want = pc::fp16::value(all[i]);
    if (std::isnan(want)) { // F16C makes it quiet
      CHECK((std::isnan(x[i]) && std::isnan(y[i])));
    } else {
      CHECK(std::memcmp(&x[i], &want, 4) == 0);
      CHECK(std::memcmp(&y[i], &want, 4) == 0);
    }
  }
}

TEST_CASE("tiny: verify gives the tokens that steps give, and truncate takes back") {
  const auto m = tiny::embedded();
  tiny::engine e(m, {.context = 200});
  const std::string text = "The people of the country went to the ";
  const ids prompt(text.begin(), text.end());
  token_id next = e.prefill(prompt);
  const std::size_t n = prompt.size();
  ids said = {next};
  for (int i = 0; i < 40; ++i)
    said.push_back(next = e.step(next));
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    CAPTURE(seed);
    test::dice dice(seed);
    const std::size_t from = dice.below(30), count = dice.between(1, 10);
    e.truncate(n + from);
    CHECK(e.position() == n + from);
    ids wrong(dice.between(1, 5), 'x'), after(wrong.size()); // drafts that come to nothing
    e.verify(wrong, after);
    e.truncate(n + from);
    ids verified(count);
    e.verify(std::span(said).subspan(from, count), verified);
    CHECK(std::equal(verified.begin(), verified.end(), said.begin() + static_cast<std::ptrdiff_t>(from) + 1));
    e.truncate(n + from);
    for (std::size_t i = from; i < 40; ++i)
      CHECK(e.step(said[i]) == said[i + 1]);
  }
}

TEST_CASE("tiny: prefill says each layer when it is there; another engine adopts its cache") {
  const auto m = tiny::embedded();
  tiny::engine e(m, {.context = 256}), steps(m, {.context = 256}),
      other(m, {.context = 256, .block_size = 7});
  const ids prompt = some_tokens(*m, 200, 3);
  std::vector<float> logits(m->config().vocab);
  for (const token_id t : prompt)
    steps.forward({&t, 1}, logits);
  std::vector<std::uint32_t> layers;
  const pc::geometry g = e.geometry();
  const token_id first = e.prefill(prompt, [&](std::uint32_t l) {
    layers.push_back(l);
    const pc::kv_view from = e.view(l, 200), same = steps.view(l, 200);
    const pc::kv_pages to = other.pages(l, 200);
    for (std::uint32_t t = 0; t < 200; ++t)
      for (std::uint32_t h = 0; h < g.kv_heads; ++h) {
        CHECK(std::memcmp(from.key(t, h), same.key(t, h), 2 * std::size_t{g.key_dim}) == 0);
        std::memcpy(to.key(t, h), from.key(t, h), 2 * std::size_t{g.key_dim});
        std::memcpy(to.value(t, h), from.value(t, h), 2 * std::size_t{g.value_dim});
      }
  });
  CHECK(layers == std::vector<std::uint32_t>{0, 1, 2, 3});
  CHECK(first == std::max_element(logits.begin(), logits.end()) - logits.begin());
  other.adopt(200);
  CHECK(other.position() == 200);
  CHECK(same_cache(e, other, 200));
  token_id t = first;
  for (int i = 0; i < 8; ++i) {
    const token_id said = e.step(t);
    CHECK(other.step(t) == said);
    t = said;
  }
  double sum = 0;
  for (const float x : e.importance()) {
    CHECK(x >= 0);
    sum += static_cast<double>(x);
  }
  CHECK(e.importance().size() == 200);
  CHECK(sum == doctest::Approx(32 * g.layers * m->config().query_heads).epsilon(1e-4)); // each shares out 1
}

TEST_CASE("tiny: what the cache holds is what counts, the prompt's and the current token's") {
  const auto m = tiny::load(fixture("qwen2"));
  tiny::engine a(m, {}), b(m, {}), fp16(m, {.dtype = pc::number::fp16});
  const ids prompt = some_tokens(*m, 40, 4);
  const std::size_t vocab = m->config().vocab;
  std::vector<float> x(40 * vocab), y(40 * vocab), z(40 * vocab);
  a.forward(prompt, x);
  b.forward(prompt, y);
  fp16.forward(prompt, z);
  CHECK(x == y);
  CHECK(
      !std::equal(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(vocab), z.begin())); // rounded otherwise
  auto* const key = static_cast<std::uint16_t*>(static_cast<void*>(b.pages(1, 40).key(5, 0)));
  key[3] = static_cast<std::uint16_t>(key[3] ^ 0x8000);
  a.truncate(39);
  b.truncate(39);
  x.resize(vocab);
  y.resize(vocab);
  a.forward({&prompt[39], 1}, x);
  b.forward({&prompt[39], 1}, y);
  CHECK(x != y);
}

TEST_CASE("tiny: wrong calls are refused, and change nothing") {
  const auto m = tiny::load(fixture("linear"));
  CHECK_THROWS_AS(tiny::engine(m, {.dtype = pc::number::fp8_e4m3}), std::invalid_argument);
  CHECK_THROWS_AS(tiny::engine(m, {.context = 0}), std::invalid_argument);
  CHECK_THROWS_AS(tiny::engine(m, {.block_size = 0}), std::invalid_argument);
  CHECK_THROWS_AS(tiny::engine(m, {.threads = 0}), std::invalid_argument);
  CHECK(tiny::engine(m, {.context = 4096}).context() == 128); // the model's own
  tiny::engine e(m, {.context = 20});
  const ids prompt = some_tokens(*m, 18, 5);
  (void)e.prefill(prompt);
  CHECK_THROWS_AS((void)e.prefill(prompt), std::invalid_argument);
  CHECK_THROWS_AS((void)e.step(48), std::out_of_range);
  CHECK_THROWS_AS((void)e.step(-1), std::out_of_range);
  ids next(3);
  CHECK_THROWS_AS(e.verify(ids{1, 2, 3}, next), std::length_error);
  CHECK_THROWS_AS(e.verify(ids{1, 2}, next), std::invalid_argument);
  CHECK_THROWS_AS(e.verify({}, {}), std::invalid_argument);
  CHECK_THROWS_AS(e.truncate(19), std::invalid_argument);
  CHECK_THROWS_AS(e.adopt(21), std::length_error);
  CHECK_THROWS_AS((void)e.view(0, 21), std::length_error);
  CHECK_THROWS_AS((void)e.view(2, 1), std::out_of_range);
  CHECK(e.position() == 18);
  (void)e.step(1);
  (void)e.step(2);
  CHECK_THROWS_AS((void)e.step(3), std::length_error);
}

TEST_CASE("tiny: the engine keeps what it promises, on the embedded model") {
  for (const pc::number dtype : {pc::number::bf16, pc::number::fp16}) {
    tiny::engine e(tiny::embedded(), {.context = 128, .dtype = dtype});
    (void)e.prefill(ids(40, 'e'));
    const pc::engine_report report = pc::check_engine(e, {.rounds = planecast_test::rounds(3, 1)});
    CAPTURE(report.message());
    CHECK(report.ok());
    CHECK(report.divergences.empty());
    CHECK(e.position() == 40);
  }
}

} // namespace

} // namespace tiny_llm_engine_test
