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
constexpr double row_numbers = vocab, all_rows_numbers = requests * (drafts + 1) * row_numbers;

// Of a row's numbers.
template <class Format>
using number = typename pc::basic_draft_batch<Format>::target_number;

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

// A row as numbers of a format.
template <class Format>
std::vector<number<Format>> rounded(const std::vector<float>& row) {
  std::vector<number<Format>> of;
  for (const float x : row)
    if constexpr (sizeof(number<Format>) == 2)
      of.push_back(Format::from_fp32(x));
    else
      of.push_back(x);
  return of;
}

template <class Format>
struct batch {
  on_device<number<Format>> target;
  on_device<pc::token_id> tokens, output;
  on_device<std::int32_t> emitted;
  on_device<std::byte> workspace;
  pc::basic_draft_batch<Format> in;
  pc::accepted_batch out;

  batch(pc::target_kind kind, const std::vector<float>& row, const std::vector<pc::token_id>& drafted)
      : target(std::size_t{requests} * (drafts + 1) * vocab), tokens(requests * drafts),
        output(requests * (drafts + 1)), emitted(requests),
        workspace(pc::cuda_acceptance::workspace_bytes(requests, drafts)) {
    target.fill(rounded<Format>(row));
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

std::string said_by_all(const std::vector<pc::token_id>& output) {
  for (std::uint32_t b = 0; b < requests; ++b)
    if (output[b * (drafts + 1)] < 0)
      return "a request has no token";
  return "";
}

// Request b rejects its draft b mod 8, which the target never says, and accepts those before it, which the
// target says more often than the draft. So the target's row and the draft's are read there.
struct rejected : batch<float> {
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
template <class Format>
struct by_tokens : batch<Format> {
  using batch<Format>::in, batch<Format>::out, batch<Format>::workspace, batch<Format>::output;
  bool greedy;

  explicit by_tokens(bool is_greedy)
      : batch<Format>(pc::target_kind::logits, some_row(true, 3), {7}), greedy(is_greedy) {}
  pc::status run(cudaStream_t stream) const {
    return greedy ? pc::cuda_acceptance::greedy(in, out, workspace.get(), workspace.bytes(), stream)
                  : pc::cuda_acceptance::gumbel(in, out, workspace.get(), workspace.bytes(), stream);
  }
  std::string trouble() const { return said_by_all(output.read()); }
};

// Rows of drafts are read twice for their softmax; then the first draft falls, as a token out of so many
// does, and its row is read once more.
struct rejected_logits : batch<pc::bf16> {
  rejected_logits() : batch<pc::bf16>(pc::target_kind::logits, some_row(true, 4), {7}) {}
  pc::status run(cudaStream_t stream) const {
    return pc::cuda_acceptance::rejection(in, out, workspace.get(), workspace.bytes(), stream);
  }
  std::string trouble() const { return said_by_all(output.read()); }
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
  add_batch<rejected>("accept_rejection", 2 * requests * 4 * row_numbers);
  add_batch<by_tokens<float>>("accept_gumbel/logits", 4 * all_rows_numbers, false);
  add_batch<by_tokens<float>>("accept_greedy/logits", 4 * all_rows_numbers, true);
  add_batch<by_tokens<pc::bf16>>("accept_gumbel/bf16_logits", 2 * all_rows_numbers, false);
  add_batch<by_tokens<pc::bf16>>("accept_greedy/bf16_logits", 2 * all_rows_numbers, true);
  add_batch<rejected_logits>("accept_rejection/bf16_logits", 2 * (2 * drafts + 1) * requests * row_numbers);
}

} // namespace planecast_bench
