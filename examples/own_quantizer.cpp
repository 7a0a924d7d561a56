// A quantizer of one's own. A quantizer says which values of a tile share a scale. Here it is the channels of
// a token in groups of 16, so that one channel which is much larger than the others spoils no more than its
// group.
#include "planecast/planecast.hpp"

#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

template <std::uint32_t Channels>
struct per_token_group {
  static constexpr std::uint32_t page_tokens = 0; // any page will do
  static constexpr std::uint32_t groups(pc::tile_shape s) noexcept {
    return (s.dim + Channels - 1) / Channels;
  }
  static constexpr std::uint32_t scale_rows(pc::tile_shape s) noexcept { return s.tokens * groups(s); }
  static constexpr std::uint32_t scale_row(pc::tile_shape s, std::uint32_t token,
                                           std::uint32_t channel) noexcept {
    return token * groups(s) + channel / Channels;
  }
  // Goes on the wire, so that two peers see whether they mean the same: a name of one's own, and what it
  // depends on.
  static constexpr std::uint64_t fingerprint() noexcept {
    return pc::fingerprint{}.add(0x6D7967726F757073).add(Channels).value();
  }
};
static_assert(pc::quantizer<per_token_group<16>>);

template <class Values>
using policy =
    pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>, pc::values<Values>>;

constexpr std::uint32_t tokens = 256, dim = 64;
constexpr pc::geometry model{
    .dtype = pc::number::bf16, .layers = 1, .kv_heads = 1, .key_dim = dim, .value_dim = dim};
constexpr auto strides = pc::kv_strides::nhd(1, dim);
using array = std::vector<std::uint16_t>; // tokens × channels

struct received {
  array k = array(tokens * dim), v = k;
  std::uint64_t bytes = 0;
};

// Sends a cache as far as a tier, in bits, to a receiver in the same thread.
template <class Values>
received send(const array& k, const array& v, int until) {
  using stream = pc::plane_stream<policy<Values>, pc::loopback>;
  received pages;
  auto [a, b] = pc::loopback::pair();
  typename stream::sender out{std::move(a), model};
  typename stream::receiver in{std::move(b), model};
  auto kv =
      in.expect({.id = 1, .tokens = tokens}, {{pages.k.data(), strides, pages.v.data(), strides, tokens}});
  auto shot = out.open({.id = 1, .tokens = tokens});
  pc::check(shot.put(0, {k.data(), strides, v.data(), strides, tokens}));
  pc::check(shot.plan(pc::budget::everything(), {}, {.until = until}));
  while (!kv.reached(pc::focused)) {
    pc::check(out.progress(0ms));
    pc::check(kv.poll());
  }
  pages.bytes = kv.metrics().data_bytes;
  return pages;
}

// A channel's error in parts of its own size, both as root mean squares; the mean over the channels.
double error(const array& is, const array& was) {
  double sum = 0;
  for (std::uint32_t c = 0; c < dim; ++c) {
    double difference = 0, size = 0;
    for (std::uint32_t i = c; i < was.size(); i += dim) {
      const double x = pc::bf16::value(was[i]), y = pc::bf16::value(is[i]);
      difference += (y - x) * (y - x), size += x * x;
    }
    sum += std::sqrt(difference / size);
  }
  return sum / dim;
}

template <class Values>
bool report(const char* name, const array& k, const array& v) {
  const received coarse = send<Values>(k, v, 4), whole = send<Values>(k, v, pc::lossless);
  const bool equal = whole.k == k && whole.v == v;
  std::cout << std::left << std::setw(28) << name << std::right << std::setw(6) << coarse.bytes
            << " bytes, error " << std::fixed << std::setprecision(3) << error(coarse.v, v) << "    "
            << whole.bytes << " bytes, " << (equal ? "equal" : "not equal") << '\n';
  return equal;
}

int main() {
  array k(tokens * dim), v(tokens * dim);
  std::uint32_t state = 1;
  const auto noise = [&state] { // about normal
    float sum = 0;
    for (int i = 0; i < 8; ++i)
      sum += static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-24f - 0.5f;
    return sum;
  };
  for (std::uint32_t i = 0; i < tokens * dim; ++i) {
    k[i] = pc::bf16::nearest(noise());
    v[i] = pc::bf16::nearest(noise() * (i % dim == 21 ? 30.0f : 1.0f)); // channel 21 is the outlier
  }
  std::cout << "raw: " << model.raw_bytes(tokens)
            << " bytes. Values of one large channel among 64, at 4 bits and lossless:\n";
  const bool both = report<pc::per_token>("a scale per token", k, v);
  return report<per_token_group<16>>("a scale per 16 channels", k, v) && both ? 0 : 1;
}
