// Says which sets of instructions the tests of this machine go through, and which they leave out: a figure of
// tests that passed says nothing of them.
#include "support/backends.hpp"

#include <cstdio>

int main() {
  std::printf("instruction sets:");
  unsigned ran = 0;
  std::apply(
      [&](const auto&... each) {
        ((std::printf(" %s%s", each.name, each.here() ? "" : " (not on this machine)"), ran += each.here()),
         ...);
      },
      test::backends);
#if defined(__x86_64__) || defined(__i386__)
  std::printf("; the machine has:%s%s", __builtin_cpu_supports("avx2") ? " avx2" : "",
              __builtin_cpu_supports("avx512bw") ? " avx512" : "");
#endif
  std::printf("\n");
  return ran > 0 && std::get<0>(test::backends).here() ? 0 : 1;
}
