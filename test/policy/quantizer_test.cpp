#include "planecast/policy/quantizer.hpp"

#include <doctest/doctest.h>

namespace policy_quantizer_test {

namespace pc = planecast;

namespace {

// The least that a quantizer must have. Each near miss below changes one thing of it.
struct one_row {
  static constexpr std::uint32_t page_tokens = 0;
  static constexpr std::uint32_t scale_rows(pc::tile_shape) noexcept { return 1; }
  static constexpr std::uint32_t scale_row(pc::tile_shape, std::uint32_t, std::uint32_t) noexcept {
    return 0;
  }
  static constexpr std::uint64_t fingerprint() noexcept { return 99; }
};
struct no_page : one_row {
private:
  using one_row::page_tokens;
};
struct no_row : one_row {
private:
  using one_row::scale_row;
};
struct may_throw : one_row {
  static constexpr std::uint32_t scale_rows(pc::tile_shape) { return 1; }
};
struct signed_rows : one_row {
  static constexpr int scale_row(pc::tile_shape, std::uint32_t, std::uint32_t) noexcept { return 0; }
};
struct row_may_throw : one_row {
  static constexpr std::uint32_t scale_row(pc::tile_shape, std::uint32_t, std::uint32_t) { return 0; }
};
struct row_of_a_channel : one_row { // whatever the token
  static constexpr std::uint32_t scale_row(pc::tile_shape, std::uint32_t) noexcept { return 0; }
};
struct row_of_an_object : one_row {
  std::uint32_t scale_row(pc::tile_shape, std::uint32_t, std::uint32_t) const noexcept { return 0; }
};
struct short_fingerprint : one_row {
  static constexpr std::uint32_t fingerprint() noexcept { return 99; }
};
struct fingerprint_may_throw : one_row {
  static constexpr std::uint64_t fingerprint() { return 99; }
};
struct page_not_constant : one_row {
  static inline std::uint32_t page_tokens = 64;
};
struct page_of_an_object : one_row {
  std::uint32_t page_tokens = 64;
};
struct page_below_zero : one_row {
  static constexpr int page_tokens = -1;
};
struct page_is_a_function : one_row {
  static constexpr std::uint32_t page_tokens() noexcept { return 64; }
};

static_assert(pc::quantizer<one_row>);
static_assert(!pc::quantizer<no_page>);
static_assert(!pc::quantizer<no_row>);
static_assert(!pc::quantizer<may_throw>);
static_assert(!pc::quantizer<signed_rows>);
static_assert(!pc::quantizer<row_may_throw>);
static_assert(!pc::quantizer<row_of_a_channel>);
static_assert(!pc::quantizer<row_of_an_object>);
static_assert(!pc::quantizer<short_fingerprint>);
static_assert(!pc::quantizer<fingerprint_may_throw>);
static_assert(!pc::quantizer<page_not_constant>);
static_assert(!pc::quantizer<page_of_an_object>);
static_assert(!pc::quantizer<page_below_zero>);
static_assert(!pc::quantizer<page_is_a_function>);
static_assert(!pc::quantizer<int>);

// A refinement: what balances says so, and is a quantizer.
struct balancing : one_row {
  static constexpr bool balances_channels = true;
};
struct does_not_balance : one_row {
  static constexpr bool balances_channels = false;
};
struct balances_alone {
  [[maybe_unused]] static constexpr bool balances_channels = true;
};
static_assert(pc::balancing_quantizer<balancing>);
static_assert(!pc::balancing_quantizer<does_not_balance>);
static_assert(!pc::balancing_quantizer<balances_alone>);
static_assert(!pc::balancing_quantizer<one_row>);

template <class Q>
void rows_are_in_range(pc::tile_shape shape) {
  bool in_range = true;
  for (std::uint32_t t = 0; t < shape.tokens; ++t)
    for (std::uint32_t c = 0; c < shape.dim; ++c)
      in_range = in_range && Q::scale_row(shape, t, c) < Q::scale_rows(shape);
  CHECK(in_range);
}

} // namespace

TEST_CASE("quantizer: a scale for each channel") {
  using q = pc::per_channel<64>;
  CHECK(q::page_tokens == 64);
  CHECK(q::scale_rows({7, 128}) == 128);
  CHECK(q::scale_row({7, 128}, 6, 100) == 100);
  rows_are_in_range<q>({64, 576});
}

TEST_CASE("quantizer: a scale for each token") {
  using q = pc::per_token;
  CHECK(q::page_tokens == 0);
  CHECK(q::scale_rows({7, 128}) == 7);
  CHECK(q::scale_row({7, 128}, 6, 100) == 6);
  rows_are_in_range<q>({64, 576});
}

TEST_CASE("quantizer: groups of tokens, the last of which may be shorter") {
  using q = pc::per_channel_groups<64, 24>;
  CHECK(q::page_tokens == 64);
  CHECK(q::scale_rows({64, 16}) == 48);
  CHECK(q::scale_rows({24, 16}) == 16);
  CHECK(q::scale_row({64, 16}, 23, 5) == 5);
  CHECK(q::scale_row({64, 16}, 24, 5) == 21);
  rows_are_in_range<q>({64, 576});
  rows_are_in_range<q>({25, 8});
}

TEST_CASE("quantizer: groups of channels, the last of which may be narrower") {
  using q = pc::per_token_groups<40>;
  CHECK(q::page_tokens == 0);
  CHECK(q::scale_rows({7, 128}) == 28);
  CHECK(q::scale_row({7, 128}, 2, 39) == 8);
  CHECK(q::scale_row({7, 128}, 2, 120) == 11);
  rows_are_in_range<q>({64, 576});
  rows_are_in_range<q>({3, 8});
}

TEST_CASE("quantizer: balanced has a row for each token, verbatim none") {
  CHECK(pc::balanced::scale_rows({7, 128}) == 7);
  CHECK(pc::balanced::scale_row({7, 128}, 6, 100) == 6);
  rows_are_in_range<pc::balanced>({64, 576});
  CHECK(pc::verbatim::scale_rows({64, 576}) == 0);
}

TEST_CASE("quantizer: other rows have other fingerprints") {
  const std::uint64_t all[] = {pc::per_token::fingerprint(),
                               pc::per_channel<64>::fingerprint(),
                               pc::per_channel<32>::fingerprint(),
                               pc::per_channel_groups<64, 32>::fingerprint(),
                               pc::per_channel_groups<64, 16>::fingerprint(),
                               pc::per_channel_groups<32, 32>::fingerprint(),
                               pc::per_token_groups<32>::fingerprint(),
                               pc::per_token_groups<64>::fingerprint(),
                               pc::balanced::fingerprint(),
                               pc::verbatim::fingerprint()};
  for (const auto& a : all)
    for (const auto& b : all)
      CHECK((a == b) == (&a == &b));
  CHECK(pc::per_token::fingerprint() != pc::per_channel<64>::fingerprint());
  CHECK(pc::per_channel<32>::fingerprint() != pc::per_channel<64>::fingerprint());
}

TEST_CASE("quantizer: a shape counts its values") {
  CHECK(pc::tile_shape{64, 576}.values() == 36864);
  CHECK(pc::tile_shape{1, 8} == pc::tile_shape{1, 8});
}

} // namespace policy_quantizer_test
