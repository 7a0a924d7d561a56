// Kernels of coding, of streams and of acceptance by 16-bit rows without what tries them, which takes a
// compiler long: for the report on registers.
#include "planecast/cuda/detail/base_program.hpp"
#include "planecast/cuda/detail/decode_program.hpp"
#include "planecast/cuda/detail/encode_program.hpp"
#include "planecast/cuda/detail/judge_program.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/detail/pack_program.hpp"
#include "planecast/cuda/detail/race_program.hpp"
#include "planecast/cuda/detail/softmax_program.hpp"
#include "planecast/cuda/detail/store_program.hpp"
#include "planecast/cuda/detail/upgrade_programs.hpp"
#include "planecast/policy/precision_policy.hpp"

namespace cuda_some_kernels {

namespace pc = planecast;
using namespace planecast::detail;
using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;

template <class... Programs>
struct kernels {
  const void* of[sizeof...(Programs)] = {reinterpret_cast<const void*>(&run_program<Programs>)...};
};
using tiles = kept_tiles<policy, policy::page_tokens>;
template <class Number>
using of_number = kernels<base_program<Number, tiles>, base_program<Number, tiles, false>,
                          upgrade_lengths_program<Number, tiles>, upgrade_program<Number, tiles, 1>,
                          upgrade_program<Number, tiles, 1, false>, upgrade_program<Number, tiles, 2>,
                          upgrade_program<Number, tiles, 2, false>,
                          store_program<Number, policy::key_quantizer, policy::planes>>;
template <class Number, class Q, class Planes>
using of_quantizer = kernels<encode_program<Number, Q, Planes>, decode_program<Number, Q, Planes>,
                             decode_exact_program<Number, Q, Planes>>;

extern const of_number<pc::bf16> bf16_kernels{};
extern const of_number<pc::e4m3> e4m3_kernels{};
extern const of_quantizer<pc::bf16, pc::per_channel<64>, policy::planes> channel_kernels{};
extern const of_quantizer<pc::fp16, pc::per_token, policy::planes> token_kernels{};
extern const of_quantizer<pc::bf16, pc::balanced, policy::planes> balanced_kernels{};
extern const of_quantizer<pc::e5m2, pc::per_token, pc::planes<4, pc::tail>> short_kernels{};
extern const kernels<decode_program<pc::bf16, pc::per_channel<64>, policy::planes, pc::device_pages>,
                     decode_exact_program<pc::bf16, pc::per_channel<64>, policy::planes, pc::device_pages>>
    converting_kernels{};
extern const kernels<decode_exact_program<pc::fp16, pc::per_channel<64>, policy::planes>> half_kernels{};
extern const kernels<judge_program<pc::bf16, float>, softmax_program<true, pc::bf16, float>,
                     race_program<acceptance::greedy, pc::target_kind::logits, pc::bf16, float>,
                     race_program<acceptance::rejection, pc::target_kind::logits, pc::bf16, float>,
                     race_program<acceptance::rejection, pc::target_kind::probabilities, pc::fp16, pc::fp16>>
    narrow_row_kernels{};
extern const kernels<starts_program, pack_program> other_kernels{};

} // namespace cuda_some_kernels
