// Which drafted tokens stand, in device memory: behind the arguments that FlashInfer's chain speculative
// sampling has, and those of vLLM's rejection sampler.
#include <planecast/cuda/accept.cuh>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <new>
#include <vector>

namespace pc = planecast;

// FlashInfer's ChainSpeculativeSampling. What it writes is what cuda_acceptance::rejection() writes for the
// same probabilities, by other noise: a seed gives other tokens here than there, of the same distribution.
pc::status chain_speculative_sampling(const float* draft_probs,                     // [batch, n, vocab]
                                      const std::int32_t* draft_token_ids,          // [batch, n]
                                      const float* target_probs,                    // [batch, n + 1, vocab]
                                      std::int32_t* output_token_ids,               // [batch, n + 1]
                                      std::int32_t* output_accepted_token_num,      // [batch]
                                      std::int32_t* output_emitted_draft_token_num, // [batch]
                                      std::uint32_t batch_size, std::uint32_t num_speculate_tokens,
                                      std::uint32_t vocab_size, std::uint64_t philox_seed,
                                      std::uint64_t philox_offset, // the next call's: n + 1 more
                                      void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
  pc::draft_batch batch; // cu_num_draft_tokens stays null: n drafts each
  batch.batch_size = batch_size;
  batch.max_draft_tokens = num_speculate_tokens;
  batch.vocab_size = vocab_size;
  batch.draft_token_ids = draft_token_ids;
  batch.draft_probs = draft_probs;
  batch.target = target_probs; // bonus_token_ids stays null: the last row gives the token behind the drafts
  batch.kind = pc::target_kind::probabilities; // renormalised behind top-p or top-k: rows add up to one
  batch.seed = philox_seed;                    // requests are told apart by their number
  batch.offset = philox_offset;
  return pc::cuda_acceptance::rejection(
      batch,
      {.output_token_ids = output_token_ids,
       .output_accepted_token_num = output_accepted_token_num, // each draft asked for itself; may be null
       .output_emitted_draft_token_num = output_emitted_draft_token_num, // those that the output begins with
       .add_to_counts = true},                                           // FlashInfer adds to both
      workspace, workspace_bytes, stream);
}

// vLLM's rejection_sample(). Its sampling metadata are here: whether a request is greedy, and its noise.
pc::status rejection_sample(const std::int32_t* draft_token_ids,     // [num_tokens]
                            std::uint32_t max_spec_len,              // the most drafts that a request has
                            const std::int32_t* cu_num_draft_tokens, // [batch], inclusive
                            const float* draft_probs,                // [num_tokens, vocab]; null: of n-grams
                            const float* target_logits,              // [num_tokens, vocab]
                            const std::int32_t* bonus_token_ids, // [batch, 1], of int32 as its sampler has it
                            std::uint32_t batch_size, std::uint32_t vocab_size,
                            const float* greedy_is_0_other_is_1, // [batch]
                            const std::uint64_t* seeds,          // [batch], each request's own
                            const std::uint64_t* positions,      // [batch], of the first draft in its text
                            std::int32_t* output_token_ids,      // [batch, max_spec_len + 1]
                            void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
  pc::draft_batch batch;
  batch.batch_size = batch_size;
  batch.max_draft_tokens = max_spec_len;
  batch.vocab_size = vocab_size;
  batch.draft_token_ids = draft_token_ids;
  batch.cu_num_draft_tokens = cu_num_draft_tokens; // as it is: request b's drafts end there
  batch.draft_probs = draft_probs;
  batch.bonus_token_ids = bonus_token_ids;    // so the target has no row behind a request's drafts
  batch.target = target_logits;               // masked, and divided by the temperature: hence no temperature
  batch.kind = pc::target_kind::logits;       // of softmax(target_logits): target_kind::probabilities
  batch.temperature = greedy_is_0_other_is_1; // vLLM's own would divide again. All greedy: call greedy()
  batch.seeds = seeds;
  batch.offsets = positions; // in a graph: write there between launches
  return pc::cuda_acceptance::rejection(batch, {.output_token_ids = output_token_ids}, workspace,
                                        workspace_bytes, stream); // fills up with −1, as vLLM does
}

void check(cudaError_t e) {
  if (e != cudaSuccess)
    throw pc::error({pc::errc::device, cudaGetErrorString(e)});
}
// It lives as long as the program.
template <class T>
T* on_device(const std::vector<T>& values) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, values.size() * sizeof(T)));
  check(cudaMemcpy(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return static_cast<T*>(memory);
}
// Whether the device has these numbers there; the stream has come so far.
bool holds(const std::int32_t* there, const std::vector<std::int32_t>& wanted, const char* what) {
  std::vector<std::int32_t> got(wanted.size());
  check(cudaMemcpy(got.data(), there, got.size() * sizeof(got[0]), cudaMemcpyDeviceToHost));
  std::cout << what << ':';
  for (const std::int32_t x : got)
    std::cout << ' ' << x;
  std::cout << (got == wanted ? "\n" : "  <-- not so\n");
  return got == wanted;
}

constexpr std::uint32_t vocab = 8;
// A row whose probability is all one token's; or logits, of which one is not −∞.
void add_row(std::vector<float>& rows, std::uint32_t token, float there = 1, float others = 0) {
  for (std::uint32_t t = 0; t < vocab; ++t)
    rows.push_back(t == token ? there : others);
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::cout << "no GPU\n";
    return 77;
  }
  cudaStream_t engine = nullptr;
  check(cudaStreamCreate(&engine));
  const std::size_t room_bytes = pc::cuda_acceptance::workspace_bytes(3, 3); // of the larger batch, or more
  auto* const room = on_device(std::vector<std::byte>(room_bytes));
  bool good = true;

  { // The target is sure of 5, 6, 7, 1. One request drafts these; of another's drafts the second is wrong.
    std::vector<float> drafts, target;
    for (const bool wrong : {false, true}) {
      for (const std::uint32_t token : {5u, wrong ? 2u : 6u, 7u})
        add_row(drafts, token);
      for (const std::uint32_t token : {5u, 6u, 7u, 1u})
        add_row(target, token);
    }
    auto* const ids = on_device<std::int32_t>({5, 6, 7, /**/ 5, 2, 7});
    auto* const output = on_device(std::vector<std::int32_t>(2 * 4));
    auto *const accepted = on_device<std::int32_t>({100, 100}), // of calls before
        *const emitted = on_device<std::int32_t>({0, 0});
    pc::check(chain_speculative_sampling(on_device(drafts), ids, on_device(target), output, accepted, emitted,
                                         2, 3, vocab, 42, 0, room, room_bytes, engine));
    check(cudaStreamSynchronize(engine));
    good &= holds(output, {5, 6, 7, 1, /**/ 5, 6, -1, -1}, "output_token_ids");
    good &= holds(accepted, {103, 102}, "output_accepted_token_num"); // 7 would stand, were it asked alone
    good &= holds(emitted, {3, 1}, "output_emitted_draft_token_num");
  }
  { // Of n-grams: a greedy request with two drafts, one with none, and one whose draft is masked.
    constexpr float masked = -std::numeric_limits<float>::infinity();
    std::vector<float> logits;
    add_row(logits, 3, 2.5f, 1); // 3 is the greatest, others are not masked
    add_row(logits, 4, 2.5f, 1);
    add_row(logits, 6, 0, masked); // 6 is all that can come
    auto* const output = on_device(std::vector<std::int32_t>(3 * 3));
    pc::check(rejection_sample(on_device<std::int32_t>({3, 4, /**/ 0}), 2, on_device<std::int32_t>({2, 2, 3}),
                               nullptr, on_device(logits), on_device<std::int32_t>({7, 1, 2}), 3, vocab,
                               on_device<float>({0, 1, 1}), on_device<std::uint64_t>({11, 12, 13}),
                               on_device<std::uint64_t>({100, 20, 3}), output, room, room_bytes, engine));
    check(cudaStreamSynchronize(engine));
    good &= holds(output, {3, 4, 7, /**/ 1, -1, -1, /**/ 6, -1, -1}, "rejection_sample");
  }
  return good ? 0 : 1;
}
