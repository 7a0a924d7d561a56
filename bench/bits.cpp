// How many bits a value takes at each tier, on made-up data: what the guides quote. The data comes from whole
// numbers alone, so every machine prints the same figures:
//     planecast-bits --commit $(git rev-parse --short HEAD) > bench/results/bits.json
// Without a commit it prints them alone, for a test to compare.
#include "planecast/planecast.hpp"

#include "context.hpp"

#include <cstdint>
#include <cstdio>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pc = planecast;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;

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

enum class data : std::uint8_t { gaussian, laplace, outlier_keys, biased_keys };
constexpr const char* name_of(data kind) noexcept {
  return kind == data::gaussian       ? "gaussian"
         : kind == data::laplace      ? "laplace"
         : kind == data::outlier_keys ? "outlier keys"
                                      : "biased keys";
}

// Keys or values, tokens × heads × channels. Outlier channels are 20 times as wide as others; biased ones lie
// 10 widths beside zero, as a key projection's bias puts them. They are the same in every token.
template <class Number>
auto make(data kind, bool is_value, std::uint32_t dim, generator& from) {
  using value = std::conditional_t<Number::bits == 8, std::uint8_t, std::uint16_t>;
  std::vector<value> made(std::size_t{tokens} * heads * dim);
  for (std::size_t i = 0; i < made.size(); ++i) {
    std::int32_t x = kind == data::laplace ? from.laplace() : from.gaussian();
    if (kind == data::outlier_keys && !is_value && i % 32 == 5)
      x *= 20;
    if (kind == data::biased_keys && !is_value && i % 8 == 5)
      x += 10 * (1 << 20);
    made[i] = static_cast<value>(Number::nearest(static_cast<float>(x) * 0x1p-20f));
  }
  return made;
}

struct sizes {
  std::vector<double> of_raw; // by plane, all planes up to it
  double receiver = 0;
  unsigned stored = 0;
};

template <class Number, class Policy>
sizes measure(const pc::geometry& model, data kind) {
  generator from;
  const auto k = make<Number>(kind, false, model.key_dim, from),
             v = make<Number>(kind, true, model.value_dim, from);
  using cache = pc::coded_cache<Policy, pc::cpu>;
  const typename cache::map_type map{model, tokens};
  cache coded(map, pc::coding::planes);
  const pc::kv_view view(k.data(), pc::kv_strides::nhd(heads, model.key_dim), v.data(),
                         pc::kv_strides::nhd(heads, model.value_dim), tokens);
  coded.put(0, Number::bits == 8 ? view.fp8() : view);

  const auto raw = static_cast<double>(model.raw_bytes(tokens));
  sizes s;
  std::uint64_t bytes = 0;
  for (std::uint32_t tile = 0; tile < map.tiles(0); ++tile)
    bytes += coded.base_bytes(0, tile);
  s.of_raw.push_back(static_cast<double>(bytes) / raw);
  for (std::uint32_t plane = Policy::base_planes; plane < Policy::planes::count; ++plane) {
    for (std::uint32_t token = 0; token < tokens; ++token)
      bytes += coded.upgrade_bytes(plane, token);
    s.of_raw.push_back(static_cast<double>(bytes) / raw);
  }
  s.receiver = static_cast<double>(pc::assembly<Policy, pc::cpu>::bytes_needed(map)) / raw;
  s.stored = static_cast<unsigned>(coded.stored_tiles());
  return s;
}

template <class Number>
pc::geometry shape_of(std::uint32_t key_dim, std::uint32_t value_dim) {
  return {.dtype = Number::id, .layers = 1, .kv_heads = heads, .key_dim = key_dim, .value_dim = value_dim};
}
template <class Number>
constexpr const char* dtype_name = Number::id == pc::number::bf16       ? "bf16"
                                   : Number::id == pc::number::fp16     ? "fp16"
                                   : Number::id == pc::number::fp8_e4m3 ? "e4m3"
                                                                        : "e5m2";

// The default policy: a line for each head and each kind of data.
template <class Number>
void print(std::uint32_t dim, data kind, bool last) {
  const sizes s = measure<Number, policy>(shape_of<Number>(dim, dim), kind);
  std::printf("  {\"dtype\": \"%s\", \"head_dim\": %u, \"data\": \"%s\", \"stored_tiles\": %u",
              dtype_name<Number>, dim, name_of(kind), s.stored);
  constexpr const char* tiers[] = {"4", "8", "lossless"};
  for (int i = 0; i < 3; ++i)
    std::printf(", \"bits_%s\": %.2f, \"of_raw_%s\": %.3f", tiers[i],
                16 * s.of_raw[static_cast<std::size_t>(i)], tiers[i], s.of_raw[static_cast<std::size_t>(i)]);
  std::printf(", \"receiver_of_raw\": %.3f}%s\n", s.receiver, last ? "" : ",");
}
template <class Number>
void print_all(bool last) {
  for (const std::uint32_t dim : {64u, 128u}) {
    print<Number>(dim, data::gaussian, false);
    print<Number>(dim, data::laplace, false);
    print<Number>(dim, data::outlier_keys, false);
    print<Number>(dim, data::biased_keys, last && dim == 128);
  }
}

// Other quantizers and pages, head_dim 128: bits of the lowest tier and of all, scalars in, by kind of data.
template <class Number, class K, class V>
void print_quantizers(const char* keys, const char* values, pc::geometry shape, bool last = false) {
  using tiers =
      std::conditional_t<Number::bits == 8, pc::tiers<4, pc::lossless>, pc::tiers<4, 8, pc::lossless>>;
  using with = pc::precision_policy<tiers, pc::keys<K>, pc::values<V>>;
  std::printf("  {\"dtype\": \"%s\", \"keys\": \"%s\", \"values\": \"%s\", \"page\": %u, \"key_dim\": %u, "
              "\"value_dim\": %u",
              dtype_name<Number>, keys, values, with::page_tokens, shape.key_dim, shape.value_dim);
  for (const data kind : {data::gaussian, data::laplace, data::outlier_keys, data::biased_keys}) {
    const sizes s = measure<Number, with>(shape, kind);
    std::printf(", \"%s\": [%.2f, %.2f]", name_of(kind), Number::bits * s.of_raw.front(),
                Number::bits * s.of_raw.back());
  }
  std::printf("}%s\n", last ? "" : ",");
}
template <class Number>
void print_quantizers(bool last = false) {
  const pc::geometry shape = shape_of<Number>(128, 128);
  using token = pc::per_token;
  print_quantizers<Number, pc::per_channel<32>, token>("per_channel", "per_token", shape);
  print_quantizers<Number, pc::per_channel<64>, token>("per_channel", "per_token", shape);
  print_quantizers<Number, pc::per_channel<128>, token>("per_channel", "per_token", shape);
  print_quantizers<Number, pc::per_channel_groups<128, 64>, token>("per_channel_groups of 64", "per_token",
                                                                   shape);
  print_quantizers<Number, token, token>("per_token", "per_token", shape);
  print_quantizers<Number, pc::per_token_groups<64>, pc::per_token_groups<64>>(
      "per_token_groups of 64", "per_token_groups of 64", shape);
  print_quantizers<Number, pc::balanced, token>("balanced", "per_token", shape);
  print_quantizers<Number, pc::per_token_groups<128>, pc::verbatim>("per_token_groups of 128", "verbatim",
                                                                    shape_of<Number>(512, 64), last);
}

int main(int count, char** arguments) {
  std::puts("{");
  if (count == 3 && std::string_view(arguments[1]) == "--commit")
    std::printf("%s,\n", planecast_bench::context(arguments[2]).c_str());
  else if (count > 1)
    return std::fputs("planecast-bits [--commit NAME]\n", stderr), 2;
  std::puts("  \"policy\": \"tiers<4, 8, lossless>, keys<per_channel<64>>, values<per_token>\", \"bits\": [");
  print_all<pc::bf16>(false);
  print_all<pc::fp16>(true);
  std::puts("], \"quantizers\": [");
  print_quantizers<pc::bf16>();
  print_quantizers<pc::fp16>();
  print_quantizers<pc::e4m3>();
  print_quantizers<pc::e5m2>(true);
  std::puts("]}");
}
