#include "planecast/cache/geometry.hpp"

#include <doctest/doctest.h>
#include <string_view>

namespace pc = planecast;

namespace {
constexpr pc::geometry llama{pc::number::bf16, 32, 8, 128, 128};

pc::geometry with(auto change) {
  pc::geometry g = llama;
  change(g);
  return g;
}
} // namespace

TEST_CASE("geometry: what this version codes is accepted") {
  CHECK(llama.check().ok());
  CHECK(with([](auto& g) { g.dtype = pc::number::fp16; }).check().ok());
  CHECK(with([](auto& g) { g.key_dim = 576, g.value_dim = 512; }).check().ok());
  CHECK(with([](auto& g) { g.key_dim = 8; }).check().ok());
}

TEST_CASE("geometry: what it does not code is named") {
  const auto says = [](const pc::geometry& g, pc::errc code, std::string_view word) {
    const pc::status s = g.check();
    CAPTURE(word);
    CHECK(s == code);
    CHECK(std::string_view(s.about).find(word) != std::string_view::npos);
  };
  says(pc::geometry{}, pc::errc::limit, "layers");
  says(with([](auto& g) { g.dtype = pc::number{0}; }), pc::errc::unsupported, "dtype");
  says(with([](auto& g) { g.dtype = pc::number{3}; }), pc::errc::unsupported, "dtype");
  says(with([](auto& g) { g.layers = 0x10000; }), pc::errc::limit, "layers");
  says(with([](auto& g) { g.kv_heads = 0; }), pc::errc::limit, "kv_heads");
  says(with([](auto& g) { g.kv_heads = 0x10000; }), pc::errc::limit, "kv_heads");
  says(with([](auto& g) { g.key_dim = 0; }), pc::errc::limit, "head_dim");
  says(with([](auto& g) { g.value_dim = 584; }), pc::errc::limit, "head_dim");
  says(with([](auto& g) { g.value_dim = 100; }), pc::errc::unsupported, "multiple of 8");
  CHECK(with([](auto& g) { g.value_dim = 584; }).check().there == 584);
}

TEST_CASE("geometry: raw bytes count keys and values of every layer") {
  CHECK(llama.raw_bytes(1) == 32 * 8 * 256 * 2);
  CHECK(llama.raw_bytes(1'000'000) == 131'072'000'000u); // more than 32 bits hold
}

TEST_CASE("geometry: every field changes the fingerprint, and the fingerprint stays what it is") {
  const std::uint64_t mine = llama.fingerprint();
  CHECK(with([](auto& g) { g.dtype = pc::number::fp16; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.layers = 33; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.kv_heads = 4; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.key_dim = 64; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.value_dim = 64; }).fingerprint() != mine);
  CHECK(with([](auto& g) { g.value_dim = 64; }).fingerprint() !=
        with([](auto& g) { g.key_dim = 64; }).fingerprint());
  CHECK(mine == pc::fingerprint{}.add(2).add(32).add(8).add(128).add(128).value());
  CHECK(mine == 0x5cbaf6d00dcbe4afu);
}
