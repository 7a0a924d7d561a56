#include "planecast/plan/attention_mass.hpp"
#include "planecast/plan/recency.hpp"

#include "support/dice.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <stdexcept>
#include <vector>

namespace plan_attention_mass_test {

using namespace planecast;

namespace {

// Layers whose number of KV heads differs, with four query heads each.
struct fixture {
  static constexpr std::uint32_t tokens = 70, dim = 16, heads = 4, rows = 9;
  geometry model{
      .dtype = number::fp16, .layers = 3, .key_dim = dim, .value_dim = dim, .kv_heads_by_layer = {1, 2, 4}};
  std::vector<std::uint16_t> keys[3];
  std::vector<float> queries[3];
  explicit fixture(unsigned seed) {
    test::dice dice(seed);
    for (std::uint32_t l = 0; l < 3; ++l) {
      keys[l].resize(std::size_t{tokens} * model.heads(l) * dim);
      for (auto& k : keys[l])
        k = fp16::nearest(dice.gaussian());
      queries[l].resize(std::size_t{rows} * heads * dim);
      for (auto& q : queries[l])
        q = dice.gaussian();
    }
  }
  [[nodiscard]] kv_view view(std::uint32_t l, std::uint32_t n = tokens) const {
    const auto strides = kv_strides::nhd(model.heads(l), dim);
    return {keys[l].data(), strides, keys[l].data(), strides, n};
  }
  [[nodiscard]] query_view query(std::uint32_t l) const {
    return {queries[l].data(), {.rows = rows, .heads = heads, .dim = dim}};
  }
  // What the arithmetic says of one layer alone.
  [[nodiscard]] std::vector<float> row(std::uint32_t l, const attention_options& how) const {
    std::vector<float> mass(tokens);
    detail::any_attention_set([&]<class Set>(Set) {
      detail::add_attention_mass<Set>(view(l), model.dtype, model.heads(l), query(l), how, mass);
      return true;
    });
    return mass;
  }
};

constexpr attention_options how{.window_size = 8, .kernel_size = 5};

} // namespace

TEST_CASE("attention_mass: the mean over the layers, or the sum, whichever were added") {
  const fixture f(1);
  attention_options sum = how;
  sum.layer_reduction = score_reduction::sum;
  attention_mass by(f.model, f.tokens, how), summed(f.model, f.tokens, sum);
  std::vector<float> expected(f.tokens), out(f.tokens);
  float added = 0;
  for (const std::uint32_t l : {2u, 0u, 1u}) {
    by.add(l, f.view(l), f.query(l));
    summed.add(l, f.view(l), f.query(l));
    const auto row = f.row(l, how);
    ++added;
    by.score(0, out);
    for (std::uint32_t t = 0; t < f.tokens; ++t) {
      expected[t] += row[t];
      REQUIRE(out[t] == expected[t] / added);
    }
    summed.score(0, out);
    REQUIRE(out == expected);
  }
}

TEST_CASE("attention_mass: a part of the sequence, as behind a prefix that is there already") {
  const fixture f(2);
  attention_mass by(f.model, f.tokens, how);
  by.add(0, f.view(0), f.query(0));
  std::vector<float> all(f.tokens), rest(30);
  by.score(0, all);
  by.score(40, rest);
  CHECK(rest == std::vector<float>(all.begin() + 40, all.end()));
  const ranking r = rank_tokens(by, 30, {.sinks = 4, .recent = 2}, 40);
  CHECK(r.tokens == rank_tokens(rest, {.sinks = 4, .recent = 2}, 40).tokens);
  CHECK_THROWS_AS(by.score(41, rest), std::invalid_argument);
}

TEST_CASE("attention_mass: layer by layer") {
  const fixture f(3);
  layered_attention_mass by(f.model, f.tokens, how);
  CHECK(by.layers() == 3);
  by.add(1, f.view(1), f.query(1));
  std::vector<float> out(f.tokens), part(7);
  by.score(1, 0, out);
  CHECK(out == f.row(1, how));
  by.score(1, 60, part);
  CHECK(part == std::vector<float>(out.begin() + 60, out.begin() + 67));
  CHECK_THROWS_AS(by.score(0, 0, out), std::invalid_argument); // not added
  CHECK_THROWS_AS(by.score(3, 0, out), std::invalid_argument);
}

TEST_CASE("attention_mass: across layers later, and with a decay") {
  const fixture f(4);
  layered_attention_mass layered(f.model, f.tokens, how);
  attention_mass by(f.model, f.tokens, how);
  for (std::uint32_t l = 0; l < 3; ++l) {
    layered.add(l, f.view(l), f.query(l));
    by.add(l, f.view(l), f.query(l));
  }
  std::vector<float> a(f.tokens), b(f.tokens);
  across_layers(layered).score(0, a);
  by.score(0, b);
  CHECK(a == b);
  const recency_decay decayed(std::move(layered), 0.01, f.tokens);
  static_assert(layered_importance<decltype(decayed)>);
  decayed.score(2, 0, a);
  const auto row = f.row(2, how);
  CHECK(a[10] == doctest::Approx(row[10] * std::exp(-0.6)));
}

TEST_CASE("attention_mass: what cannot be added, and leaves nothing behind") {
  fixture f(5);
  attention_mass by(f.model, f.tokens, how);
  std::vector<float> out(f.tokens);
  CHECK_THROWS_AS(by.score(0, out), std::invalid_argument); // no layer yet
  CHECK_THROWS_AS(by.add(3, f.view(0), f.query(0)), std::invalid_argument);
  CHECK_THROWS_AS(by.add(0, f.view(0, 69), f.query(0)), std::invalid_argument);
  const float* const q = f.queries[0].data();
  CHECK_THROWS_AS(by.add(0, f.view(0), {q, {.rows = 9, .heads = 4, .dim = 8}}), std::invalid_argument);
  CHECK_THROWS_AS(by.add(0, f.view(0), {q, {.rows = 7, .heads = 4, .dim = 16}}), std::invalid_argument);
  CHECK_THROWS_AS(by.add(2, f.view(2), {q, {.rows = 9, .heads = 3, .dim = 16}}), std::invalid_argument);
  const kv_view narrow(layouts::nl_x_two_nb_bs_nh_hs, f.keys[0].data(),
                       {.block_size = 70, .heads = 1, .dim = 8}, token_slots::first(70));
  CHECK_THROWS_AS(by.add(0, narrow, f.query(0)), std::invalid_argument);
  const std::uint16_t kept = f.keys[0][500];
  f.keys[0][500] = 0x7C00;
  CHECK_THROWS_AS(by.add(0, f.view(0), f.query(0)), std::invalid_argument);
  f.keys[0][500] = kept;
  by.add(0, f.view(0), f.query(0));
  CHECK_THROWS_AS(by.add(0, f.view(0), f.query(0)), std::invalid_argument); // twice
  by.score(0, out);
  CHECK(out == f.row(0, how));
}

TEST_CASE("attention_mass: options that mean nothing are refused at once") {
  const fixture f(6);
  CHECK_THROWS_AS(attention_mass(f.model, f.tokens, {.window_size = 0}), std::invalid_argument);
  CHECK_THROWS_AS(attention_mass(f.model, f.tokens, {.kernel_size = 2}), std::invalid_argument);
  CHECK_THROWS_AS(attention_mass(f.model, f.tokens, {.scale = std::numeric_limits<float>::infinity()}),
                  std::invalid_argument);
}

} // namespace plan_attention_mass_test
