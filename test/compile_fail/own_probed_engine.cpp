// A user's engine that may be probed, but for PAGES: the message must name pages.
#include "planecast/planecast.hpp"

namespace pc = planecast;

struct my_engine {
  static constexpr bool batch_invariant = true;
  pc::token_id step(pc::token_id);
  void verify(std::span<const pc::token_id>, std::span<pc::token_id>);
  void truncate(std::size_t);
  std::size_t position() const;
  pc::token_id prefill(std::span<const pc::token_id>);
  pc::kv_view view(std::uint32_t, std::uint32_t) const;
  PAGES;
  pc::geometry geometry() const;
};
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;

void find_out(my_engine& engine) {
  (void)pc::probe<policy>(engine, [](const pc::needle_place&) { return pc::needle_trial{}; });
}
