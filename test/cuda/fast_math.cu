// Kernels of each kind, for a look at what -use_fast_math makes of them.
#include "planecast/cuda/accept.cuh"
#include "planecast/cuda/detail/attention_program.hpp"
#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/detail/key_norm_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/launch_rounds.cuh"
#include "planecast/cuda/detail/score_program.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/quantizer.hpp"

namespace cuda_fast_math {

namespace pc = planecast;
using namespace planecast::detail;
using planes = pc::planes<4, 4, pc::tail>;

template <class... Programs>
struct kernels {
  const void* of[sizeof...(Programs)] = {reinterpret_cast<const void*>(&run_program<Programs>)...};
};
template <class... Programs>
struct kernels_with_rounds {
  const void* of[sizeof...(Programs)] = {reinterpret_cast<const void*>(&run_rounds<Programs>)...};
};

extern const kernels<encode_program<pc::bf16, pc::balanced, planes>,
                     encode_program<pc::fp16, pc::per_token, planes>,
                     decode_program<pc::bf16, pc::balanced, planes>,
                     decode_exact_program<pc::fp16, pc::per_token, planes>, key_norm_program<pc::bf16>>
    coding{};
extern const kernels_with_rounds<attention_program<pc::fp16, pc::fp16, false>, score_program> attention{};
extern const kernels<judge_program, race_program<acceptance::gumbel, pc::target_kind::logits>,
                     race_program<acceptance::rejection, pc::target_kind::probabilities>,
                     softmax_program<false>, softmax_program<true>>
    accepting{};

} // namespace cuda_fast_math
