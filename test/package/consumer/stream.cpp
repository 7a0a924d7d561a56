// A transfer within one thread, both ends driven turn by turn.
#include "cache.hpp"
#include "verdict.hpp"

#include <utility>

using stream = pc::plane_stream<policy, pc::loopback>;

int main() {
  const auto cache = some_cache();
  std::vector<layer> arrived(model.layers);

  auto ends = pc::loopback::pair();
  stream::sender out(std::move(ends.first), model);
  stream::receiver in(std::move(ends.second), model);
  auto kv = in.expect({.id = 1, .tokens = tokens}, pages_of(arrived));
  auto shot = out.open({.id = 1, .tokens = tokens});
  put_all(shot, cache);
  for (int turn = 0; turn < 10000 && !kv.reached(pc::focused); ++turn) {
    pc::check(out.progress(pc::deadline::passed()));
    pc::check(kv.poll());
  }
  return verdict("a stream", kv.metrics().data_bytes, arrived == cache);
}
