// Acceptance by kernels, beside the CPU's.
#pragma once

#include "planecast/cuda/accept.cuh"

#include "cuda/accept_case.hpp"
#include "cuda/on_device.cuh"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <string>

namespace planecast_test {

// Calls acceptance over the twins of a batch.
struct accept_on_device : on_device {
  using on_device::on_device;

  template <class Target, class Draft>
  std::string accept(planecast::detail::acceptance how, planecast::basic_draft_batch<Target, Draft> batch,
                     planecast::accepted_batch out, std::byte* workspace, std::size_t bytes) {
    device_twins twins(stream());
    const auto twin = [&](auto*& pointer) { pointer = twins.of(pointer); };
    twin(batch.draft_token_ids);
    twin(batch.cu_num_draft_tokens);
    twin(batch.target);
    twin(batch.draft_probs);
    twin(batch.bonus_token_ids);
    twin(batch.temperature);
    twin(batch.seeds);
    twin(batch.offsets);
    twin(out.output_token_ids);
    twin(out.output_accepted_token_num);
    twin(out.output_emitted_draft_token_num);
    twin(out.next_token_ids);
    if (bare_memory()) // nobody has written it
      workspace = twins.room(bytes);
    else // it may hold what an earlier call left
      twin(workspace);
    return ran(twins, [&] {
      using planecast::cuda_acceptance;
      using planecast::detail::acceptance;
      return how == acceptance::greedy   ? cuda_acceptance::greedy(batch, out, workspace, bytes, stream())
             : how == acceptance::gumbel ? cuda_acceptance::gumbel(batch, out, workspace, bytes, stream())
                                         : cuda_acceptance::rejection(batch, out, workspace, bytes, stream());
    });
  }
};

template <class Target, class Draft>
void kernels_do_as_plain_loops(bool through_graph, std::uint32_t count, std::uint32_t most_vocab) {
  accepts_seen found;
  accept_on_device run(through_graph);
  for (std::uint32_t k = 0; k < count || ((found.accepted == 0 || found.rejected == 0) && k < 100 * count);
       ++k) {
    const std::uint64_t seed = first_seed() + k;
    CAPTURE(seed);
    CHECK(accept_trouble<Target, Draft>(run, seed, most_vocab, found) == "");
  }
  CHECK(found.accepted > 0);
  CHECK(found.rejected > 0);
}

// A batch as large as an engine's, in all ways; of fewer requests under tools that make it slow.
template <class Target, class Draft>
void kernels_accept_a_large_batch() {
  using planecast::target_kind;
  using planecast::detail::acceptance;
  const batch_extents extents{.requests = device_rounds(32)};
  accepts_seen found;
  accept_on_device run;
  const std::uint64_t seed = first_seed();
  CAPTURE(seed);
  for (const acceptance how : {acceptance::greedy, acceptance::gumbel, acceptance::rejection})
    for (const target_kind kind : {target_kind::logits, target_kind::probabilities}) {
      CAPTURE(static_cast<int>(how));
      CAPTURE(static_cast<int>(kind));
      CHECK(large_accept_trouble<Target, Draft>(run, seed, how, kind, extents, found) == "");
    }
}

} // namespace planecast_test
