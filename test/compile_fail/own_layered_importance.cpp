// A user's layered importance, but for LAYERS: the message must name layers.
#include "planecast/plan/layer_scores.hpp"

namespace pc = planecast;

struct my_importance {
  LAYERS;
  void score(std::uint32_t, std::uint32_t, std::span<float>) const;
};

void rank() {
  (void)pc::rank_tokens(pc::across_layers<my_importance>(my_importance{}), 1);
}
