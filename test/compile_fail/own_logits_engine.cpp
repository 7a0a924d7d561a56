// A user's engine that hands out logits, but for VOCABULARY: the message must name vocabulary.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_engine {
  static constexpr bool batch_invariant = true;
  void forward(std::span<const pc::token_id>, std::span<float>);
  void truncate(std::size_t);
  std::size_t position() const;
  VOCABULARY;
};

auto greedy_of(my_engine& engine) {
  return pc::sampled<my_engine, pc::greedy>(engine, {}); // with the types named, clang++ says why too
}
