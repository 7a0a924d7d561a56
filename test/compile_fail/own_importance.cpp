// A user's importance, but for SCORE: the message must name score.
#include "planecast/plan/importance.hpp"

namespace pc = planecast;

struct my_importance {
  SCORE;
};

void rank() {
  (void)pc::rank_tokens(my_importance{}, 1);
}
