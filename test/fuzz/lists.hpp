// What the fuzzers go through: a dtype or a policy that is added here is tried by all of them, a backend that
// is added in support/backends.hpp.
#pragma once

#include "planecast/policy/layered_policy.hpp"
#include "planecast/policy/precision_policy.hpp"

#include "support/backends.hpp"

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

namespace fuzz {

namespace pc = planecast;

using test::with_each_backend;

inline constexpr pc::number dtypes[] = {pc::number::bf16, pc::number::fp16, pc::number::fp8_e4m3,
                                        pc::number::fp8_e5m2};

/// Calls f with a value of the type that holds one of a dtype.
template <class F>
void with_value(pc::number dtype, F&& f) {
  if (pc::value_bytes(dtype) == 1)
    f(std::uint8_t{});
  else
    f(std::uint16_t{});
}

/// New ones go to the end: an input's first byte is a place in this list.
using policies =
    std::tuple<pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>,
               pc::precision_policy<pc::tiers<2, 4, 8, pc::lossless>, pc::keys<pc::per_channel<32>>,
                                    pc::values<pc::per_token>, pc::planes<2, 2, 2, 2, pc::tail>>,
               pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_token>,
                                    pc::values<pc::per_channel<128>>, pc::planes<8, pc::tail>>,
               pc::precision_policy<pc::tiers<4, 8>, pc::keys<pc::per_channel<64>>, pc::values<pc::per_token>,
                                    pc::planes<4, 4>>,
               pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::per_channel<32>>,
                                    pc::values<pc::per_token>, pc::planes<4, pc::tail>>,
               pc::precision_policy<pc::tiers<4, pc::lossless>, pc::keys<pc::balanced>,
                                    pc::values<pc::per_token_groups<16>>, pc::planes<4, pc::tail>>,
               pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel_groups<64, 16>>,
                                    pc::values<pc::verbatim>>,
               pc::layered_policy<
                   pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::balanced>,
                                        pc::values<pc::per_channel_groups<64, 32>>>,
                   pc::edges<1, 0,
                             pc::precision_policy<pc::tiers<8, pc::lossless>, pc::keys<pc::per_token>,
                                                  pc::values<pc::verbatim>, pc::planes<4, 4, pc::tail>>>>>;

/// Calls f(std::type_identity<T>) with the entry of a list at that place, counted round and round.
template <class List, class F>
void with_entry(std::size_t place, F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((place % sizeof...(I) == I ? f(std::type_identity<std::tuple_element_t<I, List>>{}) : void()), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<List>>{});
}
} // namespace fuzz
