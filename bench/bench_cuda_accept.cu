// planecast-bench-cuda: accepting what a batch of 32 requests drafted, 8 tokens each, of a vocabulary of
// 128,256.
#include "planecast/cuda/accept.cuh"

#include "on_device.cuh"

#include <cmath>
#include <random>

namespace pc = planecast;

namespace planecast_bench {

namespace {

constexpr std::uint32_t requests = 32, drafts = 8, vocab = 128256;
constexpr double row_bytes = 4.0 * vocab, all_rows_bytes = requests * (drafts + 1) * row_bytes;

// All rows of a kind hold the same numbers, at addresses of their own.
std::vector<float> some_row(bool logits, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> row(vocab);
  double all = 0;
  for (float& x : row) {
    x = logits ? normal(engine) : std::exp(normal(engine));
    all += x;
  }
  if (!logits)
    for (float& x : row)
      x = static_cast<float>(x / all);
  return row;
}

struct batch {
  on_device<float> target;
  on_device<pc::token_id> tokens, output;
  on_device<std::int32_t> emitted;
  on_device<std::byte> workspace;
  pc::draft_batch in;
  pc::accepted_batch out;

  batch(pc::target_kind kind, const std::vector<float>& row, const std::vector<pc::token_id>& drafted)
      : target(std::size_t{requests} * (drafts + 1) * vocab), tokens(requests * drafts),
        output(requests * (drafts + 1)), emitted(requests),
        workspace(pc::cuda_acceptance::workspace_bytes(requests, drafts)) {
    target.fill(row);
    tokens.fill(drafted);
    in.batch_size = requests;
    in.max_draft_tokens = drafts;
    in.vocab_size = vocab;
    in.draft_token_ids = tokens.get();
    in.target = target.get();
    in.kind = kind;
    in.seed = 1;
    out.output_token_ids = output.get();
    out.output_emitted_draft_token_num = emitted.get();
  }
};

// Request b rejects its draft b mod 8, which the target never says, and accepts those before it, which the
// target says more often than the draft. So the target's row and the draft's are read there.
struct rejected : batch {
  on_device<float> draft_probs;

  rejected() : rejected(target_row(), some_row(false, 2)) {}
  pc::status run(cudaStream_t stream) const {
    return pc::cuda_acceptance::rejection(in, out, workspace.get(), workspace.bytes(), stream);
  }
  std::string trouble() const {
    const auto accepted = emitted.read();
    const auto said = output.read();
    for (std::uint32_t b = 0; b < requests; ++b)
      if (accepted[b] != static_cast<std::int32_t>(b % drafts) || said[b * (drafts + 1) + b % drafts] < 0)
        return "a request does not reject the draft that it should";
    return "";
  }

private:
  static constexpr pc::token_id never = 5;

  static std::vector<float> target_row() {
    std::vector<float> row = some_row(false, 1);
    row[never] = 0;
    return row;
  }
  rejected(const std::vector<float>& of_target, const std::vector<float>& of_draft)
      : batch(pc::target_kind::probabilities, of_target, drafted(of_target, of_draft)),
        draft_probs(std::size_t{requests} * drafts * vocab) {
    draft_probs.fill(of_draft);
    in.draft_probs = draft_probs.get();
  }
  static std::vector<pc::token_id> drafted(const std::vector<float>& of_target,
                                           const std::vector<float>& of_draft) {
    pc::token_id likely = never + 1;
    while (of_target[static_cast<std::size_t>(likely)] <= of_draft[static_cast<std::size_t>(likely)])
      ++likely;
    std::vector<pc::token_id> tokens(requests * drafts, likely);
    for (std::uint32_t b = 0; b < requests; ++b)
      tokens[b * drafts + b % drafts] = never;
    return tokens;
  }
};

// Every row is read, whatever stands.
struct by_tokens : batch {
  bool greedy;

  explicit by_tokens(bool is_greedy)
      : batch(pc::target_kind::logits, some_row(true, 3), {7}), greedy(is_greedy) {}
  pc::status run(cudaStream_t stream) const {
    return greedy ? pc::cuda_acceptance::greedy(in, out, workspace.get(), workspace.bytes(), stream)
                  : pc::cuda_acceptance::gumbel(in, out, workspace.get(), workspace.bytes(), stream);
  }
  std::string trouble() const {
    const auto said = output.read();
    for (std::uint32_t b = 0; b < requests; ++b)
      if (said[b * (drafts + 1)] < 0)
        return "a request has no token";
    return "";
  }
};

template <class Batch, class... Arguments>
void add_batch(const std::string& name, double moved, Arguments... arguments) {
  add(name + "/requests:32/drafts:8/vocabulary:128256", [=] {
    auto of = std::make_shared<Batch>(arguments...);
    return operation{0, moved, [of](cudaStream_t s) { return of->run(s); }, [of] { return of->trouble(); }};
  });
}

} // namespace

void add_acceptance() {
  add_batch<rejected>("accept_rejection", 2 * requests * row_bytes);
  add_batch<by_tokens>("accept_gumbel/logits", all_rows_bytes, false);
  add_batch<by_tokens>("accept_greedy/logits", all_rows_bytes, true);
}

} // namespace planecast_bench
