// What a block's threads do to a tile, on the host, thread by thread in any order.
#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/tuning.hpp"

#include "cuda/golden_case.hpp"
#include "cuda/host_block.hpp"
#include "cuda/tile_case.hpp"

#include <algorithm>
#include <cstdint>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <type_traits>

namespace cuda_programs_test {

namespace pc = planecast;
using namespace planecast_test;

namespace {

using standard = pc::planes<4, 4, pc::tail>;
using short_code = pc::planes<4, pc::tail>;

struct on_host {
  template <class T>
  using allocator = std::allocator<T>;

  random_source random;
  std::uint32_t threads =
      random.coin() ? 32 * (1 + random.below(6)) : 1 + random.below(random.coin() ? 8 : 200);

  template <class Number, class Q, class Planes>
  std::string encode(const pc::device_tiles<Q, Planes>& to, const pc::device_rows<const std::byte>& from,
                     bool whole) {
    using program = pc::detail::encode_program<Number, Q, Planes>;
    const program p{to, from, whole, random.coin()};
    std::uint32_t room = 0;
    for (std::uint32_t page = 0; page < to.pages(); ++page)
      room = std::max(room, typename program::room(to.layout(page), p.keep).all);
    return ran(p, to.tiles(), room);
  }
  template <class Number, class Q, class Planes, class Rows>
  std::string decode(const pc::device_tiles<Q, Planes>& from, std::uint32_t planes, const Rows& to,
                     bool whole) {
    return with_rows<Number>(to, [&](const auto& rows) {
      using program = pc::detail::decode_program<Number, Q, Planes, std::remove_cvref_t<decltype(rows)>>;
      std::uint32_t room = 0;
      for (std::uint32_t page = 0; page < from.pages(); ++page)
        room = std::max(room, program::memory_bytes(from.layout(page).shape));
      return ran(program{from, rows, planes, whole}, from.tiles(), room);
    });
  }
  template <class Number, class Q, class Planes, class Rows>
  std::string decode_exact(const pc::device_tiles<Q, Planes>& from, const Rows& to, std::uint32_t* corrupt,
                           bool whole) {
    threads = (threads + 31) / 32 * 32; // whole warps, which have the groups of a token side by side
    return with_rows<Number>(to, [&](const auto& rows) {
      using program =
          pc::detail::decode_exact_program<Number, Q, Planes, std::remove_cvref_t<decltype(rows)>>;
      std::uint32_t room = 0;
      for (std::uint32_t page = 0; page < from.pages(); ++page)
        room = std::max(room, program::memory_bytes(from.layout(page).shape));
      return ran(program{from, rows, corrupt, whole}, from.tiles(), room);
    });
  }

private:
  // As cuda::decode() does: rows that hold what tiles do take it as it is.
  template <class Number, class F>
  static std::string with_rows(const pc::device_rows<std::byte>& to, F&& f) {
    return f(to);
  }
  template <class Number, class F>
  static std::string with_rows(const pc::device_pages& to, F&& f) {
    return !to.may_take(Number::id) ? "it is not taken" : to.converts(Number::id) ? f(to) : f(to.rows);
  }
  template <class Program>
  std::string ran(const Program& p, std::uint32_t blocks, std::uint32_t memory_bytes) {
    return run_on_host(p, blocks, threads, memory_bytes, random) ? "" : "a block writes beyond its memory";
  }
};

template <class Number, class Q>
void blocks_do_as_plain_loops(std::uint32_t count) {
  tiles_seen found;
  // Few hard tiles may all be stored: then more of them.
  for (std::uint32_t k = 0; k < count || (found.coded == 0 && k < 100 * count); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    on_host run{random_source(~seed)};
    CHECK(tiles_trouble<Number, Q, short_code>(run, seed, found) == "");
    if constexpr (Number::bits == 16) {
      CHECK(tiles_trouble<Number, Q, standard>(run, seed, found) == "");
      CHECK(tiles_trouble<Number, Q, pc::planes<2, 1, 1>>(run, seed, found) == "");
    }
  }
  CHECK(found.coded > 0);
}
template <class Number>
void through_every_quantizer() {
  blocks_do_as_plain_loops<Number, pc::per_channel<64>>(rounds(40, 4));
  blocks_do_as_plain_loops<Number, pc::per_token>(rounds(40, 4));
  blocks_do_as_plain_loops<Number, pc::per_channel_groups<64, 32>>(rounds(6, 2));
  blocks_do_as_plain_loops<Number, pc::per_token_groups<24>>(rounds(6, 2));
  blocks_do_as_plain_loops<Number, pc::balanced>(rounds(40, 4));
}

} // namespace

TEST_CASE("block programs: bf16, as the plain loops do") {
  through_every_quantizer<pc::bf16>();
}
TEST_CASE("block programs: fp16, as the plain loops do") {
  through_every_quantizer<pc::fp16>();
}
TEST_CASE("block programs: e4m3 and e5m2, as the plain loops do") {
  through_every_quantizer<pc::e4m3>();
  through_every_quantizer<pc::e5m2>();
}
template <class Number, class Q, class Planes>
void rows_hold_another_type(std::uint32_t count) {
  tiles_seen found;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(pages_trouble<Number, Q, Planes>(on_host{random_source(~seed)}, seed, found) == "");
  }
  CHECK(found.coded > 0);
  CHECK(found.stored > 0);
}
TEST_CASE("block programs: into rows of another type of numbers") {
  rows_hold_another_type<pc::bf16, pc::per_channel<64>, standard>(rounds(60, 20));
  rows_hold_another_type<pc::fp16, pc::per_token, standard>(rounds(60, 20));
  rows_hold_another_type<pc::e4m3, pc::per_token, short_code>(rounds(60, 20));
}
// What has arrived of a plane is copied into its place: then one plane more is decoded.
TEST_CASE("block programs: a plane moves from one tile's place into another's") {
  for (std::uint32_t k = 0; k < rounds(20, 5); ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    random_source random(seed);
    some_tiles<pc::bf16, pc::per_channel<64>, standard, std::allocator> sent(random);
    auto arrived = sent; // the same shape
    arrived.are.bytes = reinterpret_cast<std::byte*>(
        (reinterpret_cast<std::uintptr_t>(arrived.memory.data()) + 15) / 16 * 16);
    arrived.are.coded = arrived.coded.data();
    engine_array<std::allocator> from(sent.are.tokens, sent.are.heads, sent.are.dim, 2, random),
        whole(sent.are.tokens, sent.are.heads, sent.are.dim, 2, random);
    fill_hard(sent, from, random);
    on_host run{random_source(~seed)};
    REQUIRE(run.encode<pc::bf16>(sent.are, from.source(), from.whole()) == "");
    std::copy(sent.coded.begin(), sent.coded.end(), arrived.coded.begin());
    const auto bring = [&](auto&& first, auto&& last) { // bytes of each tile, from and up to
      sent.each([&](std::uint32_t tile, std::uint32_t, auto layout, std::uint32_t) {
        const std::uint32_t all = sent.coded[tile].stored ? layout.stored_bytes() : last(layout);
        const std::uint32_t begin = sent.coded[tile].stored ? 0 : first(layout);
        std::copy(sent.are.tile(tile) + begin, sent.are.tile(tile) + all, arrived.are.tile(tile) + begin);
      });
    };
    const auto shown = [&](const auto& tiles, std::uint32_t planes) {
      std::fill(whole.memory.begin(), whole.memory.end(), std::byte{0x5A});
      CHECK(run.decode<pc::bf16>(tiles, planes, whole.rows, whole.whole()) == "");
      return whole.memory;
    };
    bring([](auto) { return 0u; }, [](auto layout) { return layout.plane_at(1); });
    CHECK((shown(arrived.are, 1) == shown(sent.are, 1)));
    bring([](auto layout) { return layout.plane_at(1); }, [](auto layout) { return layout.tails_at(); });
    CHECK((shown(arrived.are, 2) == shown(sent.are, 2)));
  }
}
TEST_CASE("block programs: the golden tiles") {
  std::uint32_t found = 0;
  CHECK(golden_trouble(on_host{random_source(1)}, found) == "");
  CHECK(found == 36);
}
TEST_CASE("block programs: verbatim tiles are stored") {
  tiles_seen found;
  for (std::uint32_t k = 0; k < 5; ++k) {
    on_host run{random_source(k)};
    CHECK(tiles_trouble<pc::bf16, pc::verbatim, standard>(run, first_seed() + k, found) == "");
  }
  CHECK(found.stored > 0);
  CHECK(found.coded == 0);
}

// A block of sm_90 has room for the largest tiles that it is meant to code.
TEST_CASE("block programs: what a tile asks of a block's memory") {
  const auto bytes = []<class Q, class Planes>(pc::tile_layout<Q, Planes> layout, bool keep) {
    return pc::detail::encode_room<Q, Planes>(layout, keep).all;
  };
  const std::uint32_t most = pc::tuning_of(90).block_bytes, shared = pc::tuning_of(90).bytes_to_share;
  using two = pc::planes<4, 4>;
  CHECK(bytes(pc::tile_layout<pc::per_token, two>{{1024, 576}}, false) < most / 8);
  CHECK(bytes(pc::tile_layout<pc::per_channel<1024>, two>{{1024, 576}}, false) < most / 8);
  CHECK(bytes(pc::tile_layout<pc::per_token, standard>{{1024, 128}}, false) <= most);
  CHECK(bytes(pc::tile_layout<pc::per_channel<1024>, standard>{{1024, 128}}, false) <= most);
  CHECK(bytes(pc::tile_layout<pc::per_channel<256>, standard>{{256, 576}}, false) <= most);
  CHECK(bytes(pc::tile_layout<pc::per_channel<64>, standard>{{64, 128}}, true) <= shared / 2);
  CHECK(bytes(pc::tile_layout<pc::per_token, standard>{{128, 128}}, true) <= shared);
  CHECK(pc::detail::decode_exact_program<pc::bf16, pc::per_token, standard>::memory_bytes({128, 128}) <=
        shared);
}

// Tails that do not fit are said to be corrupt, and nothing is read or written beyond.
TEST_CASE("block programs: hostile tails are corrupt, or values of their cells") {
  using tiles_type = some_tiles<pc::bf16, pc::per_token, standard, std::allocator>;
  std::uint32_t refused = 0;
  for (std::uint32_t k = 0; k < rounds(200, 40); ++k) {
    random_source random(first_seed() + k);
    tiles_type tiles(random);
    engine_array<std::allocator> from(tiles.are.tokens, tiles.are.heads, tiles.are.dim, 2, random),
        to(tiles.are.tokens, tiles.are.heads, tiles.are.dim, 2, random);
    tiles.each([&](std::uint32_t, std::uint32_t h, auto layout, std::uint32_t first) {
      for (std::uint32_t i = 0; i < layout.shape.values(); ++i)
        pc::detail::store_pattern<pc::bf16>(from.row(first + i / layout.shape.dim, h), i % layout.shape.dim,
                                            nearest<pc::bf16>(random.gaussian()));
    });
    on_host run{random_source(~k)};
    REQUIRE(run.encode<pc::bf16>(tiles.are, from.source(), from.whole()) == "");
    const std::uint32_t tile = random.below(tiles.are.tiles());
    const auto layout = tiles.are.layout(tile % tiles.are.pages());
    if (tiles.coded[tile].stored || tiles.coded[tile].bytes == layout.tails_at())
      continue;
    tiles.are.tile(tile)[layout.tails_at() + random.below(tiles.coded[tile].bytes - layout.tails_at())] ^=
        static_cast<std::byte>(1u << random.below(8));
    if (random.below(4) == 0) // ends that are none
      tiles.are.ends_of(tile)[random.below(layout.shape.tokens)] ^= 1u << random.below(4);
    std::uint32_t corrupt = 0;
    CHECK(run.decode_exact<pc::bf16>(tiles.are, to.rows, &corrupt, to.whole()) == "");
    refused += corrupt;
  }
  CHECK(refused > 10);
}

} // namespace cuda_programs_test
