// A user's engine for batches that hands out its logits, but for FORWARD: the message must name forward.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_engine {
  static constexpr bool batch_invariant = true;
  FORWARD;
  void truncate(std::size_t, std::size_t);
  std::size_t position(std::size_t) const;
  std::size_t vocabulary() const;
};

void decode(my_engine& engine) {
  (void)pc::sampled_batch<my_engine, pc::greedy>(engine);
}
