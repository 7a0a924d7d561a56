// The CPU's backends that must agree: a set of instructions that is added here is tried by all who go through
// them, where the machine has it.
#pragma once

#include "planecast/cpu/cpu.hpp"

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace test {

template <class Backend>
struct named_backend {
  using type = Backend;
  const char* name; ///< of the set of instructions
  bool (*here)();   ///< whether this machine has it
};

/// The first runs everywhere: the others are compared with it.
inline constexpr std::tuple backends{
    named_backend<planecast::plain_cpu>{"plain", [] { return true; }},
#if PLANECAST_X86
    named_backend<planecast::avx2_cpu>{
        "avx2", [] { return planecast::supports(planecast::instruction_set::avx2); }},
    named_backend<planecast::avx512_cpu>{
        "avx512", [] { return planecast::supports(planecast::instruction_set::avx512); }},
#endif
};

/// Calls f(std::type_identity<Backend>, place) with each that this machine has, in order.
template <class F>
void with_each_backend(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((std::get<I>(backends).here()
          ? f(std::type_identity<typename std::tuple_element_t<I, decltype(backends)>::type>{}, I)
          : void()),
     ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(backends)>>{});
}

} // namespace test
