// Tiers of one's own. A tier is a precision that a token can have, in bits of the code; planes are what
// crosses the link. A tier is a prefix of the planes, so the receiver may stop at any: this prints what it
// holds then.
#include "planecast/planecast.hpp"

#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <string>
#include <type_traits>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

// Where every byte counts: a base of 2 bits, and four steps up to the original.
using many_steps = pc::precision_policy<pc::tiers<2, 4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                        pc::values<pc::per_token>, pc::planes<2, 2, 4, pc::tail>>;
// Where 8 bits are enough: nothing is kept that only the original needs.
using no_tail = pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_channel<64>>,
                                     pc::values<pc::per_token>, pc::planes<4, 4>>;
// Where a draft needs 8 bits, and the original is wanted too. Where no planes are named, there is one per
// tier.
using two_steps = pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                       pc::values<pc::per_token>>;
static_assert(std::is_same_v<two_steps::planes, pc::planes<8, pc::tail>>);

constexpr std::uint32_t tokens = 256, dim = 64;
constexpr pc::geometry model{
    .dtype = pc::number::bf16, .layers = 1, .kv_heads = 1, .key_dim = dim, .value_dim = dim};
constexpr auto strides = pc::kv_strides::nhd(1, dim);
using array = std::vector<std::uint16_t>; // tokens × channels

// The error of one array in parts of its size, both as root mean squares.
double error(const array& is, const array& was) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < was.size(); ++i) {
    const double x = pc::bf16::value(was[i]), y = pc::bf16::value(is[i]);
    difference += (y - x) * (y - x), size += x * x;
  }
  return std::sqrt(difference / size);
}

// Sends the cache as far as one tier, to a receiver in the same thread, and prints what arrived.
template <class Policy>
bool stop_at(int tier, const array& k, const array& v) {
  using stream = pc::plane_stream<Policy, pc::loopback>;
  array k_pages(k.size()), v_pages(v.size());
  auto [a, b] = pc::loopback::pair();
  typename stream::sender out{std::move(a), model};
  typename stream::receiver in{std::move(b), model};
  auto kv =
      in.expect({.id = 1, .tokens = tokens}, {{k_pages.data(), strides, v_pages.data(), strides, tokens}});
  auto shot = out.open({.id = 1, .tokens = tokens});
  pc::check(shot.put(0, {k.data(), strides, v.data(), strides, tokens}));
  pc::check(shot.plan(pc::budget::everything(), {}, {.until = tier}));
  while (!kv.reached(pc::focused)) {
    pc::check(out.progress(0ms));
    pc::check(kv.poll());
  }
  const bool equal = k_pages == k && v_pages == v;
  std::cout << std::setw(12) << (tier == pc::lossless ? "lossless" : std::to_string(tier) + " bits")
            << std::setw(10) << kv.metrics().data_bytes << " bytes   error of K " << error(k_pages, k)
            << ", of V " << error(v_pages, v) << (equal ? ": equal to the last bit\n" : "\n");
  return equal || tier != pc::lossless;
}

template <class Policy>
bool print(const char* name, const array& k, const array& v) {
  std::cout << name << '\n';
  bool good = true;
  for (std::uint32_t i = 0; i < Policy::tiers::count; ++i)
    good = stop_at<Policy>(static_cast<int>(Policy::tiers::bits(i)), k, v) && good;
  return good;
}

int main() {
  array k(tokens * dim), v(tokens * dim);
  std::uint32_t state = 1;
  for (array* values : {&k, &v})
    for (std::uint16_t& x : *values) { // about normal
      float sum = 0;
      for (int i = 0; i < 8; ++i)
        sum += static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-24f - 0.5f;
      x = pc::bf16::nearest(sum);
    }
  std::cout << std::fixed << std::setprecision(4) << "raw: " << model.raw_bytes(tokens) << " bytes\n";
  const bool good = print<many_steps>("tiers<2, 4, 8, lossless> over planes<2, 2, 4, tail>", k, v) &&
                    print<no_tail>("tiers<4, 8> over planes<4, 4>", k, v) &&
                    print<two_steps>("tiers<8, lossless> over planes<8, tail>", k, v);
  return good ? 0 : 1;
}
