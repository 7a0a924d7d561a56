#include "planecast/stream/buffers.hpp"

#include <doctest/doctest.h>

namespace stream_buffers_test {

using namespace planecast::detail;

TEST_CASE("buffer_pool: gives the memory back that it got, by size") {
  buffer_pool pool;
  buffer a = pool.take(100), b = pool.take(200);
  CHECK(a.room().size() == 100);
  const std::byte* const first = a.bytes.get();
  const std::byte* const second = b.bytes.get();
  pool.give_back(std::move(a));
  pool.give_back(std::move(b));
  CHECK(pool.spare() == 2);
  CHECK(pool.take(200).bytes.get() == second);
  CHECK(pool.take(100).bytes.get() == first);
  CHECK(pool.take(300).room().size() == 300);
  CHECK(pool.spare() == 0);
}

TEST_CASE("buffer_pool: keeps a few, not all") {
  buffer_pool pool;
  for (std::size_t i = 0; i < 3 * buffer_pool::most_spare; ++i)
    pool.give_back(buffer_pool{}.take(10));
  CHECK(pool.spare() == buffer_pool::most_spare);
}

} // namespace stream_buffers_test
