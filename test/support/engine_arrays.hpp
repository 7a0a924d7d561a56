// The arrays in which engines keep K and V, each with its index arithmetic written out: what the library's
// layouts must agree with. Nothing here asks a layout for strides but `placed`, which is what is tested.
#pragma once

#include "planecast/cache/layouts.hpp"

#include <cstddef>
#include <cstdint>

namespace test {

/// Lengths of the axes. An array without blocks has bs slots.
struct lengths {
  std::size_t layers = 1, nb = 1, bs = 1, nh = 1, hs = 8;
  std::size_t x = 1; ///< channels of a packed group

  [[nodiscard]] planecast::kv_extents extents() const {
    const auto n = [](std::size_t of) { return static_cast<std::uint32_t>(of); };
    return {.layers = n(layers),
            .blocks = n(nb),
            .block_size = n(bs),
            .heads = n(nh),
            .dim = n(hs),
            .pack = n(x)};
  }
};

/// A value's place. In an array without blocks s is its slot.
struct place {
  std::size_t layer = 0, kv = 0, b = 0, s = 0, h = 0, c = 0;
};

/// One kind of array. It may have a gap after each entry of its first axis: rows, blocks, … that are padded.
struct engine_array {
  const char* name;  ///< in LMCache's vocabulary, or as near as it comes
  const char* shape; ///< of one array
  planecast::kv_layout layout;
  using step_of = std::size_t place::*; // nvcc puts such a type into parentheses, of which g++ warns
  step_of slowest;                      ///< along which axis the gaps are
  std::size_t (*index)(const lengths&, const place&);

  [[nodiscard]] bool has(planecast::axis a) const { return layout.has(a); }

  [[nodiscard]] std::size_t at(const lengths& n, std::size_t gap, const place& p) const {
    return index(n, p) + gap * p.*slowest;
  }
  [[nodiscard]] std::size_t size(const lengths& n, std::size_t gap) const {
    return at(n, gap, {n.layers - 1, 1, n.nb - 1, n.bs - 1, n.nh - 1, n.hs - 1}) + 1;
  }

  /// What the library makes of it: strides, and where a layer's keys and values begin.
  struct pieces {
    planecast::kv_strides strides;
    std::ptrdiff_t keys, values;
  };
  [[nodiscard]] pieces placed(const lengths& n, std::size_t gap, std::uint32_t layer) const {
    const planecast::kv_extents e = n.extents();
    pieces p{layout.strides(e), layout.keys_at(e, layer), layout.values_at(e, layer)};
    (slowest == &place::kv  ? p.values
     : slowest == &place::b ? p.strides.block
     : slowest == &place::s ? p.strides.token
                            : p.strides.head) += static_cast<std::ptrdiff_t>(gap);
    return p;
  }
};

/// All that the library names.
inline const engine_array engine_arrays[] = {
    {"NL_X_TWO_NB_BS_NH_HS", "[2, NB, BS, NH, HS]", planecast::layouts::nl_x_two_nb_bs_nh_hs, &place::kv,
     [](const lengths& n, const place& p) {
       return ((p.kv * n.nb + p.b) * n.bs + p.s) * n.nh * n.hs + p.h * n.hs + p.c;
     }},
    {"NL_X_TWO_NB_NH_BS_HS", "[2, NB, NH, BS, HS]", planecast::layouts::nl_x_two_nb_nh_bs_hs, &place::kv,
     [](const lengths& n, const place& p) {
       return ((p.kv * n.nb + p.b) * n.nh + p.h) * n.bs * n.hs + p.s * n.hs + p.c;
     }},
    {"NL_X_NB_TWO_BS_NH_HS", "[NB, 2, BS, NH, HS]", planecast::layouts::nl_x_nb_two_bs_nh_hs, &place::b,
     [](const lengths& n, const place& p) {
       return ((p.b * 2 + p.kv) * n.bs + p.s) * n.nh * n.hs + p.h * n.hs + p.c;
     }},
    {"NL_X_NB_TWO_NH_BS_HS", "[NB, 2, NH, BS, HS]", planecast::layouts::nl_x_nb_two_nh_bs_hs, &place::b,
     [](const lengths& n, const place& p) {
       return ((p.b * 2 + p.kv) * n.nh + p.h) * n.bs * n.hs + p.s * n.hs + p.c;
     }},
    {"NL_X_NB_BS_NH_CS", "[NB, BS, NH, 2 HS]", planecast::layouts::nl_x_nb_bs_nh_two_hs, &place::b,
     [](const lengths& n, const place& p) {
       return ((p.b * n.bs + p.s) * n.nh + p.h) * (2 * n.hs) + p.kv * n.hs + p.c;
     }},
    {"NL_X_NB_NH_BS_CS", "[NB, NH, BS, 2 HS]", planecast::layouts::nl_x_nb_nh_bs_two_hs, &place::b,
     [](const lengths& n, const place& p) {
       return ((p.b * n.nh + p.h) * n.bs + p.s) * (2 * n.hs) + p.kv * n.hs + p.c;
     }},
    {"NB_NL_TWO_BS_NH_HS", "[NB, NL, 2, BS, NH, HS]", planecast::layouts::nb_nl_two_bs_nh_hs, &place::b,
     [](const lengths& n, const place& p) {
       return (((p.b * n.layers + p.layer) * 2 + p.kv) * n.bs + p.s) * n.nh * n.hs + p.h * n.hs + p.c;
     }},
    {"NB_NL_TWO_NH_BS_HS", "[NB, NL, 2, NH, BS, HS]", planecast::layouts::nb_nl_two_nh_bs_hs, &place::b,
     [](const lengths& n, const place& p) {
       return (((p.b * n.layers + p.layer) * 2 + p.kv) * n.nh + p.h) * n.bs * n.hs + p.s * n.hs + p.c;
     }},
    {"TWO_X_NL_X_NB_BS_NH_HS", "[NB, BS, NH, HS]", planecast::layouts::nb_bs_nh_hs, &place::b,
     [](const lengths& n, const place& p) { return (p.b * n.bs + p.s) * n.nh * n.hs + p.h * n.hs + p.c; }},
    {"TWO_X_NL_X_NB_NH_BS_HS", "[NB, NH, BS, HS]", planecast::layouts::nb_nh_bs_hs, &place::b,
     [](const lengths& n, const place& p) { return (p.b * n.nh + p.h) * n.bs * n.hs + p.s * n.hs + p.c; }},
    {"TWO_X_NL_X_NBBS_NH_HS", "[NBBS, NH, HS]", planecast::layouts::nbbs_nh_hs, &place::s,
     [](const lengths& n, const place& p) { return p.s * n.nh * n.hs + p.h * n.hs + p.c; }},
    {"one sequence, heads first", "[NH, NBBS, HS]", planecast::layouts::nh_nbbs_hs, &place::h,
     [](const lengths& n, const place& p) { return p.h * n.bs * n.hs + p.s * n.hs + p.c; }},
    {"llama.cpp's transposed V", "[NH, HS, NBBS]", planecast::layouts::nh_hs_nbbs, &place::h,
     [](const lengths& n, const place& p) { return p.h * n.hs * n.bs + p.c * n.bs + p.s; }},
    {"vLLM's packed K", "[NB, NH, HS/x, BS, x]", planecast::layouts::nb_nh_hsx_bs_x, &place::b,
     [](const lengths& n, const place& p) {
       return ((p.b * n.nh + p.h) * (n.hs / n.x) + p.c / n.x) * n.bs * n.x + p.s * n.x + p.c % n.x;
     }},
    {"vLLM's V beside a packed K", "[NB, NH, HS, BS]", planecast::layouts::nb_nh_hs_bs, &place::b,
     [](const lengths& n, const place& p) { return ((p.b * n.nh + p.h) * n.hs + p.c) * n.bs + p.s; }},
};

} // namespace test
