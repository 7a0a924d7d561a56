// Codes fixed tiles, draws tokens by noise, and compares everything that comes out with two constants. Built
// by g++ and clang++, with options that compilers like to change floating-point results under, and run with
// flush-to-zero off and on: same_bytes [flush]. Exit status: 0 same, 1 other bytes, 77 cannot run here.
#include "planecast/cpu/cpu.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/softmax.hpp"

#include "code/flush_to_zero.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace pc = planecast;

namespace {

std::uint64_t state = 7;
std::uint32_t noise() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::uint32_t>(state >> 33);
}

std::uint64_t hash = 14695981039346656037u;
void add(const void* from, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < bytes; ++i)
    hash = (hash ^ at[i]) * 1099511628211u;
}

// A row's values, made of integers: the float that is rounded is a whole number times a power of two.
template <class Number>
std::uint16_t value(std::uint32_t kind, std::uint32_t place, std::uint32_t row) {
  const std::uint32_t n = noise();
  const std::uint32_t sign = n & 0x8000u;
  const std::uint32_t top = Number::id == pc::number::bf16 ? 0x7F7Fu : 0x7BFFu;
  switch (kind) {
  case 0:
    return static_cast<std::uint16_t>(0x3C00u + row * 7 + n % 400); // close to each other
  case 1:
    return static_cast<std::uint16_t>(sign);
  case 2:
    return static_cast<std::uint16_t>(sign | n % 64); // denormals
  case 3:
    return static_cast<std::uint16_t>(place == row % 5 ? 0x3F80u : 0u);
  case 4:
    return static_cast<std::uint16_t>(0x4123u + (n & 1u));
  case 5:
    return static_cast<std::uint16_t>(place % 11 == 3 ? sign | (top + 1 + n % 100) : 0x3E00u + n % 300);
  case 6:
    return static_cast<std::uint16_t>(place == 2 ? 1u + n % 100 : 0x3C00u + n % 1024); // lost beside others
  case 7:
    return static_cast<std::uint16_t>(0x0D80u + n % 600); // bf16: about the least step
  case 8:
    return static_cast<std::uint16_t>(n); // anything: often stored
  case 9:
    return static_cast<std::uint16_t>(sign | (top - n % 64));
  default:
    break;
  }
  std::int32_t sum = 0;
  for (int i = 0; i < 12; ++i)
    sum += static_cast<std::int32_t>(noise() % 4096) - 2048;
  const auto exponent = static_cast<int>(row * 5 % 24) - 24; // of a channel, or of a token
  float scale = 1;
  for (int i = 0; i < -exponent; ++i)
    scale *= 0.5f;
  return Number::nearest(static_cast<float>(sum) * scale);
}

template <class Number, class Q, class Planes>
void tile(pc::tile_shape shape, std::uint32_t kind) {
  const pc::tile_layout<Q, Planes> layout{shape};
  std::vector<std::uint16_t> values(shape.values());
  for (std::uint32_t t = 0; t < shape.tokens; ++t)
    for (std::uint32_t c = 0; c < shape.dim; ++c) {
      const std::uint32_t row = Q::scale_row(shape, t, c);
      // A tile of one kind, or of all the kinds that are seldom stored.
      values[t * shape.dim + c] = value<Number>(kind < 11      ? kind
                                                : row % 12 > 7 ? 10
                                                               : row % 12,
                                                Q::page_tokens != 0 ? t : c, row);
    }
  std::vector<std::byte> bytes(layout.bound());
  std::vector<std::uint32_t> ends(shape.tokens);
  const pc::encoded_tile coded = pc::cpu::encode(
      Number::id, layout, pc::source_rows::of(values.data(), shape.dim), bytes.data(), ends.data());
  add(bytes.data(), coded.bytes);
  add(ends.data(), 4 * ends.size());
  if (coded.stored)
    return;
  std::vector<std::uint16_t> row(shape.dim);
  const auto rows = pc::target_rows::of(row.data(), shape.dim);
  for (std::uint32_t t = 0, begin = 0; t < shape.tokens; begin = ends[t++]) {
    for (std::uint32_t p = 1; p <= Planes::fixed; ++p) { // the anchor, int8, and what is between
      pc::cpu::decode(Number::id, layout, bytes.data(), t, 1, p, rows);
      add(row.data(), 2 * row.size());
    }
    if constexpr (Planes::has_tail) {
      std::size_t used = 0;
      const pc::status s = pc::cpu::decode_exact(
          Number::id, layout, bytes.data(), t, 1,
          std::span(bytes).subspan(layout.tails_at() + begin, ends[t] - begin), rows, used);
      add(&s.code, 1);
      add(row.data(), 2 * row.size());
    }
  }
}

template <class Number>
void all_tiles() {
  for (std::uint32_t kind = 0; kind < 12; ++kind)
    for (const std::uint32_t tokens : {1u, 7u, 63u, 64u}) {
      tile<Number, pc::per_channel<64>, pc::planes<4, 4, pc::tail>>({tokens, 64}, kind);
      tile<Number, pc::per_token, pc::planes<4, 4, pc::tail>>({tokens, 64}, kind);
      tile<Number, pc::per_channel<64>, pc::planes<4, 2, 1, 1, pc::tail>>({tokens, 24}, kind);
      tile<Number, pc::per_token, pc::planes<2, 2, 2, 2, pc::tail>>({tokens, 40}, kind);
      tile<Number, pc::per_token, pc::planes<4>>({tokens, 16}, kind);
    }
}

template <pc::detail::contest C>
void tokens() {
  constexpr bool logits = C == pc::detail::contest::noisy_logits;
  for (std::uint32_t position = 0; position < 300; ++position) {
    const auto row =
        pc::detail::row_race::of_logits({5, position, 1}, static_cast<float>(40 + position) * 0x1p-6f);
    const std::uint32_t spread = position % 24;
    pc::detail::standing best = 0;
    for (std::uint32_t four = 0; four < 40; ++four) {
      pc::detail::four_values target, draft;
      for (std::uint32_t i = 0; i < 4; ++i) { // floats of a few magnitudes, a denormal one now and then
        const std::uint32_t exponent = noise() % 50 == 0 ? 0 : 127 - noise() % (spread + 1);
        const std::uint32_t sign = logits && noise() % 2 == 0 ? 0x80000000u : 0;
        target.of[i] = pc::detail::bit_cast<float>(sign | exponent << 23 | noise() % 0x800000u);
        draft.of[i] = pc::detail::bit_cast<float>(exponent << 23 | noise() % 0x800000u);
      }
      best = pc::detail::best_of_four<C>(row, target, draft, four, best);
    }
    add(&best, 8); // the score's bits and the token
  }
}

void shares() {
  for (std::uint32_t round = 0; round < 100; ++round) {
    const float scale = pc::detail::logit_scale(static_cast<float>(20 + round) * 0x1p-6f);
    std::vector<float> logits;
    for (std::uint32_t i = 0; i < 50; ++i)
      logits.push_back(pc::detail::bit_cast<float>((noise() & 0x80000000u) | (124 + noise() % 8) << 23 |
                                                   noise() % 0x800000u));
    pc::detail::row_softmax row;
    for (const float x : logits)
      row.greatest = pc::detail::max<std::uint64_t>(row.greatest, pc::detail::order_of_logit(x));
    for (const float x : logits)
      row.sum += row.power_of(x, scale).in_2_40();
    for (const float x : logits) {
      const float p = row.probability(x, scale);
      add(&p, 4);
    }
  }
}

} // namespace

int main(int count, char** arguments) {
#if defined(__FMA__) && defined(__x86_64__)
  if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2"))
    return 77;
#endif
  std::optional<planecast_test::flush_to_zero> flush;
  if (count > 1 && std::strcmp(arguments[1], "flush") == 0) {
    if (!planecast_test::flush_to_zero::supported)
      return 77;
    flush.emplace();
  }
  all_tiles<pc::bf16>();
  all_tiles<pc::fp16>();
  constexpr std::uint64_t expected = 0x67273589B5470149u;
  const bool same_tiles = hash == expected;
  std::printf("%016" PRIx64 "\n", hash);
  hash = 14695981039346656037u;
  tokens<pc::detail::contest::noisy_logits>();
  tokens<pc::detail::contest::weights>();
  tokens<pc::detail::contest::rest>();
  shares();
  constexpr std::uint64_t expected_tokens = 0x15ce90fb2fe7fdccu;
  std::printf("%016" PRIx64 "\n", hash);
  return same_tiles && hash == expected_tokens ? 0 : 1;
}
