#include "planecast/code/tile.hpp"

#include <cstdint>
#include <doctest/doctest.h>

namespace code_tile_test {

namespace pc = planecast;

namespace {

template <class Q, class Planes>
void parts_follow_each_other(pc::tile_shape shape) {
  const pc::tile_layout<Q, Planes> layout{shape};
  const std::uint32_t values = shape.tokens * shape.dim;
  CAPTURE(shape.tokens);
  CAPTURE(shape.dim);
  std::uint32_t at = 16;
  CHECK(layout.low_at(0) == at);
  at += 2 * layout.rows();
  CHECK(layout.step_at(0) == at);
  at += 2 * layout.rows();
  for (std::uint32_t p = 0; p < Planes::fixed; ++p) {
    CHECK(layout.plane_at(p) == at);
    CHECK(layout.row_bytes(p) * 8 == shape.dim * Planes::width(p));
    CHECK(layout.plane_row_at(p, shape.tokens - 1) == at + (shape.tokens - 1) * layout.row_bytes(p));
    at += shape.tokens * layout.row_bytes(p);
  }
  CHECK(layout.tails_at() == at);
  CHECK(layout.stored_bytes() == 16 + 2 * values);
  CHECK(layout.stored_bytes() % pc::tile_alignment == 0);
  CHECK(layout.bound() % pc::tile_alignment == 0);
  CHECK(layout.bound() >= layout.stored_bytes());
  CHECK(layout.bound() >= at + 2 * values); // no tail is above 16 bits
}

} // namespace

TEST_CASE("tile: its parts follow each other without gaps") {
  for (const std::uint32_t tokens : {1u, 6u, 7u, 63u, 64u})
    for (const std::uint32_t dim : {8u, 64u, 80u, 128u, 576u}) {
      parts_follow_each_other<pc::per_channel<64>, pc::planes<4, 4, pc::tail>>({tokens, dim});
      parts_follow_each_other<pc::per_token, pc::planes<4, 4, pc::tail>>({tokens, dim});
      parts_follow_each_other<pc::per_channel<64>, pc::planes<2, 2, 2, 2, pc::tail>>({tokens, dim});
      parts_follow_each_other<pc::per_token, pc::planes<8, pc::tail>>({tokens, dim});
      parts_follow_each_other<pc::per_token, pc::planes<4, 2, 1, 1, pc::tail>>({tokens, dim});
      parts_follow_each_other<pc::per_channel<64>, pc::planes<4>>({tokens, dim});
    }
}

TEST_CASE("tile: scalars are one per channel, or one per token") {
  CHECK(pc::tile_layout<pc::per_channel<64>, pc::planes<4, 4>>{{7, 128}}.rows() == 128);
  CHECK(pc::tile_layout<pc::per_token, pc::planes<4, 4>>{{7, 128}}.rows() == 7);
}

TEST_CASE("tile: the anchor of the default policy takes 4.25 to 4.5 bits per value") {
  const pc::tile_layout<pc::per_channel<64>, pc::planes<4, 4, pc::tail>> keys{{64, 128}};
  const pc::tile_layout<pc::per_token, pc::planes<4, 4, pc::tail>> values{{64, 128}};
  CHECK((keys.plane_at(1) - pc::tile_header_bytes) * 8.0 / (64 * 128) == doctest::Approx(4.5));
  CHECK((values.plane_at(1) - pc::tile_header_bytes) * 8.0 / (64 * 128) == doctest::Approx(4.25));
}

} // namespace code_tile_test
