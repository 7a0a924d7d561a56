#include "planecast/cache/kv_view.hpp"

#include "support/dice.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <doctest/doctest.h>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace cache_kv_view_test {

namespace pc = planecast;

namespace {
std::uint16_t at(const std::byte* place) {
  std::uint16_t value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

std::vector<std::uint16_t> counted(std::size_t n) {
  std::vector<std::uint16_t> memory(n);
  for (std::size_t i = 0; i < n; ++i)
    memory[i] = static_cast<std::uint16_t>(i);
  return memory;
}
} // namespace

TEST_CASE("kv_view: tokens x heads x dim") {
  const auto keys = counted(4 * 3 * 8), values = counted(4 * 3 * 16);
  const pc::kv_view view(keys.data(), pc::kv_strides::nhd(3, 8), values.data(), pc::kv_strides::nhd(3, 16),
                         4);
  CHECK(view.tokens() == 4);
  CHECK(at(view.key(0, 0)) == 0);
  CHECK(at(view.key(2, 1)) == 2 * 24 + 8);
  CHECK(at(view.value(3, 2)) == 3 * 48 + 32);
}

TEST_CASE("kv_view: heads x tokens x dim, and strides that run backwards") {
  const auto memory = counted(3 * 4 * 8);
  const pc::kv_strides hnd{.token = 8, .head = 32};
  const pc::kv_view view(memory.data(), hnd, memory.data(), hnd, 4);
  CHECK(at(view.key(2, 1)) == 32 + 16);
  const pc::kv_strides backwards{.token = -8, .head = 32};
  const pc::kv_view reversed(memory.data() + 24, backwards, memory.data() + 24, backwards, 4);
  CHECK(at(reversed.value(3, 2)) == 64);
}

TEST_CASE("kv_view: pages come through the slot mapping, padding is passed over") {
  const auto memory = counted(6 * 4 * 2 * 8); // 6 blocks of 4 slots, 2 heads of 8
  const pc::kv_strides paged{.token = 16, .head = 8, .block = 64, .block_size = 4};
  const std::vector<std::int64_t> slots = {9, -1, 8, 23, -1};
  const pc::kv_view view(memory.data(), paged, memory.data(), paged, pc::token_slots(slots));
  CHECK(view.tokens() == 3);
  CHECK(at(view.key(0, 0)) == 2 * 64 + 16);
  CHECK(at(view.key(1, 1)) == 2 * 64 + 8);
  CHECK(at(view.value(2, 1)) == 5 * 64 + 3 * 16 + 8);
}

TEST_CASE("kv_view: blocks without a mapping follow their stride") {
  const auto memory = counted(2 * 100);
  const pc::kv_strides blocks{.token = 8, .head = 8, .block = 100, .block_size = 2};
  const pc::kv_view view(memory.data(), blocks, memory.data(), blocks, 4);
  CHECK(at(view.key(1, 0)) == 8);
  CHECK(at(view.key(3, 0)) == 108);
}

TEST_CASE("kv_view: a mapping of padding alone holds no token, and a wild slot is refused") {
  const auto memory = counted(8);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  const std::vector<std::int64_t> padding(3, pc::token_slots::padding), wild = {0, -2};
  CHECK(pc::kv_view(memory.data(), flat, memory.data(), flat, pc::token_slots(padding)).tokens() == 0);
  CHECK_THROWS_AS(pc::kv_view(memory.data(), flat, memory.data(), flat, pc::token_slots(wild)),
                  std::invalid_argument);
  CHECK(pc::kv_view{}.tokens() == 0);
}

TEST_CASE("kv_view: what is sent cannot be written, what is received can") {
  static_assert(std::is_same_v<decltype(pc::kv_view{}.key(0, 0)), const std::byte*>);
  static_assert(std::is_same_v<decltype(pc::kv_pages{}.key(0, 0)), std::byte*>);
  auto memory = counted(8);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  const pc::kv_pages pages(memory.data(), flat, memory.data(), flat, 1);
  const std::uint16_t seven = 7;
  std::memcpy(pages.value(0, 0), &seven, 2);
  CHECK(memory[0] == 7);
}

TEST_CASE("kv_view: rows side by side are read and written as they lie") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    test::dice random(seed);
    const std::uint32_t dim = 8 * random.between(1, 72), heads = random.between(1, 3), tokens = 3;
    const pc::kv_strides flat = pc::kv_strides::nhd(heads, dim);
    const auto from = counted(tokens * heads * dim);
    std::vector<std::uint16_t> to(from.size());
    const pc::kv_view view(from.data(), flat, from.data(), flat, tokens);
    const pc::kv_pages pages(to.data(), flat, to.data(), flat, tokens);
    const std::uint32_t t = random.below(tokens), h = random.below(heads);
    const bool is_value = random.one_in(2);
    std::vector<std::uint16_t> row(dim);
    view.read(is_value, t, h, dim, row.data());
    CHECK(std::memcmp(row.data(), is_value ? view.value(t, h) : view.key(t, h), 2 * std::size_t{dim}) == 0);
    pages.write(is_value, t, h, dim, row.data());
    for (std::size_t i = 0; i < to.size(); ++i)
      if (to[i] != (i / dim == t * heads + h ? from[i] : 0))
        FAIL_CHECK("value " << i);
  }
}

TEST_CASE("kv_view: channels that lie apart, or backwards") {
  const auto memory = counted(8 * 100);
  const pc::kv_strides transposed{.token = 1, .channel = 100};
  const pc::kv_strides backwards{.token = 100, .channel = -1};
  const pc::kv_view view(memory.data(), transposed, memory.data() + 99, backwards, 2);
  std::uint16_t row[8];
  view.read(false, 1, 0, 8, row);
  CHECK(row[0] == 1);
  CHECK(row[7] == 701);
  view.read(true, 1, 0, 8, row);
  CHECK(row[0] == 199);
  CHECK(row[7] == 192);
}

TEST_CASE("kv_view: from a head on") {
  auto memory = counted(2 * 3 * 4 * 8); // keys, then values: 3 tokens of 4 heads of 8
  const pc::kv_strides flat = pc::kv_strides::nhd(4, 8), apart{.token = 32, .head = 1, .channel = 4};
  const pc::kv_view view(memory.data(), flat, memory.data() + 96, apart, 3);
  const pc::kv_view rest = view.from_head(3);
  CHECK(rest.tokens() == 3);
  for (std::uint32_t t = 0; t < 3; ++t) {
    CHECK(rest.key(t, 0) == view.key(t, 3));
    CHECK(rest.value(t, 0) == view.value(t, 3));
    std::uint16_t row[8];
    rest.read(true, t, 0, 8, row);
    CHECK(row[5] == 96 + t * 32 + 5 * 4 + 3);
  }
  CHECK(view.from_head(1).from_head(1).key(2, 1) == view.key(2, 3));
  CHECK(view.from_head(0).key(1, 1) == view.key(1, 1));
  const pc::kv_pages pages(memory.data(), flat, memory.data() + 96, apart, 3);
  const std::vector<std::uint16_t> sevens(8, 7777);
  pages.from_head(2).write(false, 1, 1, 8, sevens.data());
  CHECK(memory[32 + 3 * 8] == 7777);
  CHECK(memory[32 + 3 * 8 + 7] == 7777);
  CHECK(memory[32 + 3 * 8 - 1] == 32 + 3 * 8 - 1);
}

TEST_CASE("kv_view: of some tokens alone") {
  const std::vector<std::uint32_t> some = {1, 3}, beyond = {4};
  std::vector<std::uint16_t> tokens(4 * 2 * 8);
  const pc::kv_view v(tokens.data(), pc::kv_strides::nhd(2, 8), tokens.data(), pc::kv_strides::nhd(2, 8), 4);
  const pc::kv_view few = v.only(some);
  CHECK(few.tokens() == 2);
  CHECK(v.tokens() == 4);
  CHECK(few.key(0, 1) == v.key(1, 1));
  CHECK(few.value(1, 0) == v.value(3, 0));
  CHECK(few.from_head(1).key(1, 0) == v.key(3, 1));
  CHECK(few.rows(false, 0, 0, 2).tokens == 1);
  CHECK_THROWS_AS((void)v.only(beyond), std::invalid_argument);
}

TEST_CASE("kv_view: an array by name must hold keys and values, and the layer") {
  using namespace pc::layouts;
  const auto memory = counted(2 * 2 * 2 * 4 * 2 * 8);
  const pc::kv_extents e{.layers = 2, .blocks = 2, .block_size = 4, .heads = 2, .dim = 8};
  const pc::token_slots tokens = pc::token_slots::first(8);
  const auto key_of = [&](const pc::kv_layout& layout, std::uint32_t layer) {
    return at(pc::kv_view(layout, memory.data(), e, tokens, layer).key(0, 0));
  };
  CHECK(key_of(nb_nl_two_bs_nh_hs, 0) == 0);
  CHECK(key_of(nb_nl_two_bs_nh_hs, 1) == 2 * 4 * 2 * 8);
  CHECK(key_of(nl_x_two_nb_bs_nh_hs, 0) == 0);
  CHECK_THROWS_AS(key_of(nb_nl_two_bs_nh_hs, 2), std::invalid_argument);
  CHECK_THROWS_AS(key_of(nl_x_two_nb_bs_nh_hs, 1), std::invalid_argument); // a list: give the layer's array
  CHECK_THROWS_AS(key_of(nb_bs_nh_hs, 0), std::invalid_argument);
  CHECK_THROWS_AS(key_of(nh_hs_nbbs, 0), std::invalid_argument);
}

TEST_CASE("kv_view: views of all layers share their slots") {
  static_assert(std::is_nothrow_copy_constructible_v<pc::kv_view>); // a copy of the slots might fail
  const auto memory = counted(64);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  pc::kv_view copy;
  {
    const std::vector<std::int32_t> slots = {5, 3};
    const pc::kv_view view(memory.data(), flat, memory.data(), flat, pc::token_slots(slots));
    copy = view;
  }
  CHECK(copy.tokens() == 2);
  CHECK(at(copy.key(1, 0)) == 24);
}

TEST_CASE("kv_view: values of one byte, in any strides") {
  std::vector<std::uint8_t> memory(256);
  for (std::size_t i = 0; i < memory.size(); ++i)
    memory[i] = static_cast<std::uint8_t>(i);
  const pc::kv_strides flat = pc::kv_strides::nhd(2, 8), apart{.token = 1, .head = 4, .channel = 16};
  const pc::kv_pages view = pc::kv_pages(memory.data(), flat, memory.data() + 128, apart, 3).fp8();
  CHECK(view.value_bytes() == 1);
  CHECK(view.may_hold(pc::number::fp8_e4m3));
  CHECK(view.may_hold(pc::number::fp8_e5m2));
  CHECK(!view.may_hold(pc::number::bf16));
  CHECK(!pc::kv_pages(memory.data(), flat, memory.data(), flat, 3).may_hold(pc::number::fp8_e4m3));
  std::uint8_t row[8];
  view.read(false, 2, 1, 8, row);
  CHECK(row[0] == 2 * 16 + 8);
  CHECK(row[7] == 2 * 16 + 15);
  view.read(true, 2, 1, 4, row);
  CHECK(row[3] == 128 + 2 + 4 + 3 * 16);
  const auto run = view.rows(false, 1, 0, 2);
  CHECK(run.tokens == 2);
  CHECK(run.step == 16);
  std::uint8_t both[16];
  view.read(false, 1, 2, 0, 8, both);
  CHECK(both[8] == 32);
  row[0] = 200;
  view.write(true, 0, 0, 1, row);
  CHECK(memory[128] == 200);
  CHECK(view.from_head(1).key(0, 0) == view.key(0, 1));
}

TEST_CASE("kv_view: fp32 is rounded on its way out and widened on its way in") {
  std::vector<float> memory{1.0f, 1.00390625f, -1e-30f, 65536.0f, 0x1.FFp127f, -0.0f, 3.0e38f, 0.1f};
  memory.resize(16, 7.0f);
  const pc::kv_strides flat = pc::kv_strides::nhd(1, 8);
  const pc::kv_pages plain(memory.data(), flat, memory.data() + 8, flat, 1);
  const pc::kv_pages brain = plain.fp32_as(pc::number::bf16), half = plain.fp32_as(pc::number::fp16);
  CHECK(brain.value_bytes() == 4);
  CHECK(brain.may_hold(pc::number::bf16));
  CHECK(!brain.may_hold(pc::number::fp16));
  CHECK(brain.rows(false, 0, 0, 1).tokens == 0); // not rows of what travels
  CHECK_THROWS_AS((void)plain.fp32_as(pc::number::fp8_e5m2), std::invalid_argument);
  std::uint16_t row[8];
  brain.read(false, 0, 0, 8, row);
  CHECK(row[1] == 0x3F80); // a tie, to even
  CHECK(row[4] == 0x7F80); // beyond the greatest
  CHECK(row[5] == 0x8000);
  CHECK(row[7] == 0x3DCD);
  half.read(false, 0, 0, 8, row);
  CHECK(row[1] == 0x3C04);
  CHECK(row[2] == 0x8000);
  CHECK(row[3] == 0x7C00);
  const std::uint16_t in[8] = {0x3C00, 0x0001, 0x8000, 0x7C00, 0x7BFF, 0, 0, 0};
  half.write(true, 0, 0, 5, in);
  CHECK(memory[8] == 1.0f);
  CHECK(memory[9] == 0x1p-24f);
  CHECK(std::signbit(memory[10]));
  CHECK(std::isinf(memory[11]));
  CHECK(memory[12] == 65504.0f);
  CHECK(memory[13] == 7.0f);
  CHECK(pc::kv_pages(plain).from_head(0).fp32_as(pc::number::bf16).key(0, 0) == plain.key(0, 0));
}

TEST_CASE("kv_view: pages of another type take what is sent, converted") {
  using pc::number;
  const pc::kv_strides flat = pc::kv_strides::nhd(2, 8), apart{.token = 1, .head = 24, .channel = 3};
  std::vector<std::uint8_t> memory(96, 0x55);
  const pc::kv_pages plain(memory.data(), flat, memory.data() + 48, apart, 3);
  const pc::kv_pages said = plain.holding(number::fp8_e4m3, {.keys = 0.5f, .values = 2});
  CHECK(said.value_bytes() == 1);
  for (const number dtype : {number::bf16, number::fp16, number::fp8_e4m3, number::fp8_e5m2})
    CHECK(said.may_hold(dtype));
  const pc::kv_pages view = said.from_head(1).receiving(number::bf16);
  CHECK(view.converts(false));
  CHECK(view.rows(false, 0, 0, 1).tokens == 0); // not rows of what is sent
  CHECK(view.key(1, 0) == reinterpret_cast<std::byte*>(memory.data()) + 24);
  // 1, −2, 3.0625, 0x1p-9, 1000, −∞, NaN, −0
  const std::uint16_t in[8] = {0x3F80, 0xC000, 0x4044, 0x3B00, 0x447A, 0xFF80, 0x7FC0, 0x8000};
  view.write(false, 1, 0, 8, in);
  CHECK(std::vector<std::uint8_t>(memory.begin() + 23, memory.begin() + 33) ==
        std::vector<std::uint8_t>{0x55, 0x40, 0xC8, 0x4C, 0x02, 0x7E, 0xFE, 0x7F, 0x80, 0x55});
  view.write(true, 2, 0, 8, in);
  const std::uint8_t halves[8] = {0x30, 0xB8, 0x3C, 0x00, 0x7E, 0xFE, 0x7F, 0x80};
  for (std::size_t c = 0; c < 8; ++c)
    CHECK(memory[48 + 24 + 2 + 3 * c] == halves[c]);
  CHECK(memory[48 + 24 + 3] == 0x55);

  const pc::kv_pages as_sent = said.receiving(number::fp8_e5m2); // converted; of one type at one scale not
  CHECK(as_sent.converts(true));
  const pc::kv_pages same = plain.holding(number::fp16).receiving(number::fp16);
  CHECK(!same.converts(false));
  CHECK(same.rows(false, 0, 0, 3).tokens == 3);
  CHECK(!said.fp8().converts(false)); // what is said last counts
  CHECK(said.fp8().may_hold(number::fp8_e5m2));
  CHECK(!said.fp8().may_hold(number::bf16));
  CHECK(plain.holding(number::bf16, {.sent_values = 2}).may_hold(number::fp8_e5m2));
  CHECK(!plain.holding(number::bf16, {.sent_values = 2}).may_hold(number::fp16));
  CHECK_THROWS_AS((void)plain.holding(number::bf16, {.keys = 2}), std::invalid_argument);
  CHECK_THROWS_AS((void)plain.holding(number::fp8_e4m3, {.values = 0}), std::invalid_argument);
  CHECK_THROWS_AS((void)plain.holding(number::fp8_e4m3, {.sent_keys = -1}), std::invalid_argument);
}

TEST_CASE("kv_view: rows longer than a piece are converted to where they belong") {
  const std::uint32_t dim = 576;
  std::vector<std::uint16_t> in(dim), memory(2 * dim, 0x5555);
  for (std::uint32_t c = 0; c < dim; ++c)
    in[c] = pc::bf16::nearest(static_cast<float>(c));
  const pc::kv_strides apart{.token = 1, .head = 0, .channel = 2};
  const auto pages = pc::kv_pages(memory.data(), apart, memory.data(), apart, 1).holding(pc::number::fp16);
  pages.receiving(pc::number::bf16).write(true, 0, 0, dim, in.data());
  bool right = true;
  for (std::uint32_t c = 0; c < dim; ++c)
    right =
        right && memory[2 * c] == pc::fp16::from_fp32(pc::bf16::value(in[c])) && memory[2 * c + 1] == 0x5555;
  CHECK(right);
}

TEST_CASE("kv_view: MLA's rows join a latent and a RoPE part") {
  const auto memory = counted(3 * 4 * 24);
  const pc::kv_extents e{.blocks = 3, .block_size = 4, .heads = 1, .dim = 24};
  const std::vector<std::int32_t> table{2, 0};
  const auto slots = pc::token_slots::blocks(table, 4, 6);
  const auto view = pc::kv_view::mla(pc::layouts::nb_bs_hs, memory.data(), e, slots, 16);
  CHECK(at(view.key(0, 0)) == 2 * 4 * 24);
  CHECK(at(view.value(0, 0)) == 2 * 4 * 24 + 16);
  CHECK(at(view.value(5, 0)) == 24 + 16);
  CHECK(view.may_show(1, 16, 8));
  CHECK(!view.may_show(1, 24, 24));
  const pc::kv_extents flat{.block_size = 12, .heads = 1, .dim = 24};
  CHECK(at(pc::kv_view::mla(pc::layouts::nbbs_one_hs, memory.data(), flat, pc::token_slots::first(12), 16)
               .value(11, 0)) == 11 * 24 + 16);
  std::vector<std::uint8_t> bytes(3 * 4 * 24);
  const auto narrow = pc::kv_view::mla(pc::layouts::nb_bs_hs, bytes.data(), e, slots, 16).fp8();
  CHECK(narrow.value(5, 0) - narrow.key(5, 0) == 16);

  const auto refused = [&](const pc::kv_layout& layout, pc::kv_extents extents, std::uint32_t latent) {
    CHECK_THROWS_AS((void)pc::kv_view::mla(layout, memory.data(), extents, slots, latent),
                    std::invalid_argument);
  };
  refused(pc::layouts::nb_bs_hs, e, 24);
  refused(pc::layouts::nb_bs_hs, e, 0);
  refused(pc::layouts::nl_x_two_nb_bs_nh_hs, e, 16);
  refused(pc::layouts::nb_nh_hs_bs, e, 16); // channels apart
  pc::kv_extents heads = e;
  heads.heads = 2;
  refused(pc::layouts::nb_bs_hs, heads, 16);
  pc::kv_extents few = e;
  few.blocks = 2;
  refused(pc::layouts::nb_bs_hs, few, 16);
}

namespace {

// Every head's rows, from every token on, of K and V: rows() names what key() and value() name, and read()
// of many tokens gives what read() of each does. Returns the longest run.
std::uint32_t check_rows(const pc::kv_view& view, std::uint32_t heads, std::uint32_t dim) {
  std::uint32_t longest = 0;
  const std::uint32_t tokens = view.tokens();
  for (std::uint32_t head = 0; head < heads; ++head)
    for (const bool is_value : {false, true})
      for (std::uint32_t token = 0; token < tokens; ++token) {
        const std::uint32_t count = tokens - token;
        const auto run = view.rows(is_value, token, head, count);
        REQUIRE(run.tokens <= count);
        for (std::uint32_t t = 0; t < run.tokens; ++t) {
          const std::byte* const there = is_value ? view.value(token + t, head) : view.key(token + t, head);
          CHECK((run.first + static_cast<std::ptrdiff_t>(t) * run.step == there));
        }
        std::vector<std::uint16_t> one_by_one(std::size_t{count} * dim),
            together(one_by_one.size() + 1, 0xABCD);
        for (std::uint32_t t = 0; t < count; ++t)
          view.read(is_value, token + t, head, dim, one_by_one.data() + std::size_t{t} * dim);
        view.read(is_value, token, count, head, dim, together.data());
        CHECK(together.back() == 0xABCD);
        together.pop_back();
        CHECK((together == one_by_one));
        longest = std::max(longest, run.tokens);
      }
  return longest;
}

} // namespace

TEST_CASE("kv_view: rows and reads of many tokens in every layout") {
  using namespace pc::layouts;
  const pc::kv_extents e{.layers = 2, .blocks = 4, .block_size = 4, .heads = 2, .dim = 8};
  const auto memory = counted(std::size_t{2} * 2 * 4 * 4 * 2 * 8);
  const std::vector<std::int64_t> mapping = {1, 2, 3, 4, 5, 9, -1, 10, 7, 6, 12, 13, 14, 15};
  const std::vector<std::int32_t> table = {2, 3, 0, 1};
  const pc::token_slots slots[] = {pc::token_slots::first(16), pc::token_slots(mapping),
                                   pc::token_slots::blocks(table, 4, 15)};
  for (const pc::kv_layout& layout :
       {nl_x_two_nb_bs_nh_hs, nl_x_two_nb_nh_bs_hs, nl_x_nb_two_bs_nh_hs, nl_x_nb_two_nh_bs_hs,
        nl_x_nb_bs_nh_two_hs, nl_x_nb_nh_bs_two_hs, nb_nl_two_bs_nh_hs, nb_nl_two_nh_bs_hs})
    for (const pc::token_slots& s : slots)
      CHECK(check_rows(pc::kv_view(layout, memory.data(), e, s, 0), e.heads, e.dim) == 4);
  for (const pc::kv_layout& layout :
       {nb_bs_nh_hs, nb_nh_bs_hs, nbbs_nh_hs, nh_nbbs_hs, nh_hs_nbbs, nb_nh_hs_bs}) {
    const pc::kv_strides strides = layout.strides(e);
    for (const pc::token_slots& s : slots) {
      const std::uint32_t longest =
          check_rows(pc::kv_view(memory.data(), strides, memory.data(), strides, s), e.heads, e.dim);
      CHECK((longest > 0) == strides.contiguous());
      if (strides.contiguous() && strides.block_size == 0 && s.block_size() == 0)
        CHECK(longest > 4); // no block ends it
    }
  }
  const pc::kv_extents packed{.blocks = 4, .block_size = 4, .heads = 2, .dim = 8, .pack = 4};
  const pc::kv_strides strides = nb_nh_hsx_bs_x.strides(packed);
  CHECK(check_rows(pc::kv_view(memory.data(), strides, memory.data(), strides, slots[1]), 2, 8) == 0);
}

TEST_CASE("kv_view: a run ends with a block, at a gap, and is none where channels lie apart") {
  const auto memory = counted(6 * 100);
  const pc::kv_strides paged{.token = 8, .head = 32, .block = 100, .block_size = 4},
      apart{.token = 1, .channel = 40};
  const std::vector<std::int64_t> mapping = {5, 6, 7, 8, 9, 11};
  const pc::kv_view view(memory.data(), paged, memory.data(), apart, pc::token_slots(mapping));
  const auto run = view.rows(false, 0, 1, 6);
  CHECK(run.tokens == 3);
  CHECK(run.step == 16);
  CHECK(at(run.first) == 100 + 8 + 32);
  CHECK(view.rows(false, 0, 1, 2).tokens == 2);
  CHECK(view.rows(false, 3, 0, 3).tokens == 2);
  CHECK(view.rows(false, 5, 0, 1).tokens == 1);
  CHECK(view.rows(true, 0, 0, 6).tokens == 0);
  const pc::kv_strides backwards{.token = -8, .head = 32};
  const pc::kv_view reversed(memory.data() + 40, backwards, memory.data() + 40, backwards, 6);
  CHECK(reversed.rows(true, 1, 0, 5).tokens == 5);
  CHECK(reversed.rows(true, 1, 0, 5).step == -16);
  CHECK(check_rows(reversed, 2, 8) == 6);
}

} // namespace cache_kv_view_test
