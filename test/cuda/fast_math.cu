// Kernels of each kind, for a look at what -use_fast_math makes of them.
#include "planecast/cuda/accept.cuh"
#include "planecast/cuda/detail/attention_program.hpp"
#include "planecast/cuda/detail/base_program.hpp"
#include "planecast/cuda/detail/convert_group.hpp"
#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/detail/key_norm_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/launch_rounds.cuh"
#include "planecast/cuda/detail/order_programs.hpp"
#include "planecast/cuda/detail/score_program.hpp"
#include "planecast/cuda/detail/upgrade_programs.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/precision_policy.hpp"
#include "planecast/policy/quantizer.hpp"

namespace cuda_fast_math {

namespace pc = planecast;
using namespace planecast::detail;
using planes = pc::planes<4, 4, pc::tail>;
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;

using tiles = kept_tiles<policy, policy::page_tokens>;

template <class... Programs>
struct kernels {
  const void* of[sizeof...(Programs)] = {reinterpret_cast<const void*>(&run_program<Programs>)...};
};
template <class... Programs>
struct kernels_with_rounds {
  const void* of[sizeof...(Programs)] = {reinterpret_cast<const void*>(&run_rounds<Programs>)...};
};

// How pages of another type are written: a part of programs that take the compiler long.
template <class Number>
struct convert_program {
  static constexpr std::uint32_t phases = 1;

  page_numbers numbers;
  const packed_patterns* from;
  std::byte* to;

  template <std::uint32_t>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte*) const noexcept {
    store_converted<Number>(
        numbers, [&](std::uint32_t) { return to; }, at.thread, from[at.thread], true);
  }
};

extern const kernels<
    encode_program<pc::bf16, pc::balanced, planes>, encode_program<pc::fp16, pc::per_token, planes>,
    encode_program<pc::e4m3, pc::per_token, planes>, decode_program<pc::bf16, pc::balanced, planes>,
    decode_exact_program<pc::fp16, pc::per_token, planes>,
    encode_program<pc::bf16, pc::per_channel<64>, planes>,
    decode_exact_program<pc::bf16, pc::per_channel<64>, planes>, base_program<pc::bf16, tiles, false>,
    upgrade_lengths_program<pc::e4m3, tiles>, upgrade_program<pc::bf16, tiles, 1, false>,
    upgrade_program<pc::fp16, tiles, 2, false>, key_norm_program<pc::bf16>, order_program,
    convert_program<pc::bf16>, convert_program<pc::e4m3>>
    coding{};
extern const kernels_with_rounds<attention_program<pc::fp16, pc::fp16, false>,
                                 attention_program<pc::e5m2, pc::bf16, true>, score_program>
    attention{};
extern const kernels<judge_program<float, float>,
                     race_program<acceptance::gumbel, pc::target_kind::logits, float, float>,
                     race_program<acceptance::rejection, pc::target_kind::probabilities, pc::fp16, float>,
                     softmax_program<false, float, float>, softmax_program<true, pc::bf16, float>>
    accepting{};

} // namespace cuda_fast_math
