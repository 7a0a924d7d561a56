// How many bits a value takes at each tier, on made-up data: what the guides quote. The data comes from whole
// numbers alone, so every machine prints the same: planecast-bits > bench/results/bits.json
#include "planecast/planecast.hpp"

#include <cstdint>
#include <cstdio>
#include <vector>

namespace pc = planecast;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using cache = pc::coded_cache<policy, pc::cpu>;

constexpr std::uint32_t tokens = 1024, heads = 4; // one layer; all pages are whole

// splitmix64, and numbers in units of 2⁻²⁰.
class generator {
public:
  // About normal, of variance 1: the sum of twelve uniform numbers.
  std::int32_t gaussian() noexcept {
    std::int32_t sum = -6 * one;
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t x = next();
      for (int part = 0; part < 3; ++part)
        sum += static_cast<std::int32_t>(x >> (21 * part) & (one - 1));
    }
    return sum;
  }
  // An exponential variable, either sign: von Neumann's way, which only compares. A run of falling uniform
  // numbers that ends after an odd number of them gives the first; one that does not adds 1, and another
  // begins.
  std::int32_t laplace() noexcept {
    for (std::int32_t whole = 0;; whole += one) {
      const std::int32_t first = uniform();
      std::int32_t least = first;
      bool odd = true;
      for (std::int32_t x = uniform(); x < least; x = uniform()) {
        least = x;
        odd = !odd;
      }
      if (odd)
        return next() >> 63 != 0 ? -whole - first : whole + first;
    }
  }

private:
  static constexpr std::int32_t one = 1 << 20;
  std::int32_t uniform() noexcept { return static_cast<std::int32_t>(next() >> 44); }
  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }

  std::uint64_t state_ = 1;
};

enum class data : std::uint8_t { gaussian, laplace, outlier_keys };

// Keys or values, tokens × heads × channels.
template <class Number>
std::vector<std::uint16_t> make(data kind, bool is_value, std::uint32_t dim, generator& from) {
  std::vector<std::uint16_t> made(std::size_t{tokens} * heads * dim);
  for (std::size_t i = 0; i < made.size(); ++i) {
    std::int32_t x = kind == data::laplace ? from.laplace() : from.gaussian();
    if (kind == data::outlier_keys && !is_value && i % 32 == 5) // the same channels in every token
      x *= 20;
    made[i] = Number::nearest(static_cast<float>(x) * 0x1p-20f);
  }
  return made;
}

template <class Number>
void print(std::uint32_t dim, data kind, const char* name, bool last) {
  generator from;
  const auto k = make<Number>(kind, false, dim, from), v = make<Number>(kind, true, dim, from);
  const pc::geometry model{
      .dtype = Number::id, .layers = 1, .kv_heads = heads, .key_dim = dim, .value_dim = dim};
  const auto strides = pc::kv_strides::nhd(heads, dim);
  const cache::map_type map{model, tokens};
  cache coded(map, pc::coding::planes);
  coded.put(0, {k.data(), strides, v.data(), strides, tokens});

  std::uint64_t bytes = 0;
  const auto raw = static_cast<double>(model.raw_bytes(tokens));
  const auto of_raw = [&] { return static_cast<double>(bytes) / raw; };
  std::printf("  {\"dtype\": \"%s\", \"head_dim\": %u, \"data\": \"%s\", \"stored_tiles\": %u",
              Number::id == pc::number::bf16 ? "bf16" : "fp16", dim, name,
              static_cast<unsigned>(coded.stored_tiles()));
  for (std::uint32_t tile = 0; tile < map.tiles(0); ++tile)
    bytes += coded.base_bytes(0, tile);
  std::printf(", \"bits_4\": %.2f, \"of_raw_4\": %.3f", 16 * of_raw(), of_raw());
  for (const bool is_tail : {false, true}) {
    for (std::uint32_t token = 0; token < tokens; ++token)
      bytes += coded.upgrade_bytes(policy::base_planes + (is_tail ? 1 : 0), token);
    const char* const tier = is_tail ? "lossless" : "8";
    std::printf(", \"bits_%s\": %.2f, \"of_raw_%s\": %.3f", tier, 16 * of_raw(), tier, of_raw());
  }
  bytes = pc::assembly<policy, pc::cpu>::bytes_needed(map);
  std::printf(", \"receiver_of_raw\": %.3f}%s\n", of_raw(), last ? "" : ",");
}

template <class Number>
void print_all(bool last) {
  for (const std::uint32_t dim : {64u, 128u}) {
    print<Number>(dim, data::gaussian, "gaussian", false);
    print<Number>(dim, data::laplace, "laplace", false);
    print<Number>(dim, data::outlier_keys, "outlier keys", last && dim == 128);
  }
}

int main() {
  std::puts("{\"policy\": \"tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>\", \"bits\": [");
  print_all<pc::bf16>(false);
  print_all<pc::fp16>(true);
  std::puts("]}");
}
