// A matrix times vectors, its rows shared out among threads.
#pragma once

#include "kernels.hpp"
#include "thread_pool.hpp"
#include "usual_floats.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace tiny {

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
