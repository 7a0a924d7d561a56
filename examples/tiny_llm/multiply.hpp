// A matrix times vectors, its rows shared out among threads.
#pragma once

#include "kernels.hpp"
#include "thread_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tiny {

/// Denormals as numbers and rounding to nearest while this lives, whatever the caller works with.
class usual_floats {
public:
#if defined(__x86_64__)
  usual_floats() : before_(_mm_getcsr()) {
    _mm_setcsr(0x1F80);
  }
  ~usual_floats() {
    _mm_setcsr(before_);
  }

private:
  unsigned before_;
#else
  usual_floats() {}
#endif
public:
  usual_floats(const usual_floats&) = delete;
  usual_floats& operator=(const usual_floats&) = delete;
};

/// Products; fewer are sooner done than told to other threads.
inline constexpr std::size_t worth_sharing = 1'000'000;

/// y = Wx + bias for each vector; an empty bias is none. `rooms`: working space, one for each thread of the
/// pool. The sums do not depend on how many there are.
inline void multiply(const kernels& k, thread_pool& pool, const matrix& w, std::span<const float> bias,
                     batch<const float> x, batch<float> y, std::vector<std::vector<float>>& rooms) {
  const auto some_rows = [&](std::size_t first, std::size_t last, std::vector<float>& room) {
    k.multiply(w, first, last, x, y, room);
    if (!bias.empty())
      for (std::size_t i = 0; i < x.count; ++i)
        for (std::size_t r = first; r < last; ++r)
          y[i][r] += bias[r];
  };
  const std::size_t parts = pool.size(), rows = w.rows;
  if (parts == 1 || rows * w.columns * x.count < worth_sharing)
    return some_rows(0, rows, rooms[0]);
  const std::size_t share = (rows + 4 * parts - 1) / (4 * parts) * 4;
  pool.run([&](unsigned part) {
    const usual_floats mode;
    some_rows(std::min(rows, part * share), std::min(rows, (part + 1) * share), rooms[part]);
  });
}

} // namespace tiny
