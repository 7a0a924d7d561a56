// Acceptance by whatever runs the programs, beside the CPU's.
#pragma once

#include "planecast/cuda/detail/accept_plan.hpp"
#include "planecast/decode/accept_sampled.hpp"

#include "code/rows.hpp"
#include "cuda/large_batch.hpp"
#include "decode/batch_case.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace planecast_test {

/// What a run of the property has seen, so that it is not about nothing.
struct accepts_seen {
  std::uint32_t requests = 0, accepted = 0, rejected = 0, split = 0, whole = 0;
};

template <class Batch>
void accept_on_cpu(planecast::detail::acceptance how, const Batch& batch,
                   const planecast::accepted_batch& out) {
  if (how == planecast::detail::acceptance::greedy)
    planecast::accept_greedy(batch, out);
  else if (how == planecast::detail::acceptance::gumbel)
    planecast::accept_gumbel(batch, out);
  else
    planecast::accept_rejection(batch, out);
}

/// What goes wrong; nothing, if all is well. The case's outputs are the CPU's, and become the runner's, which
/// accepts the batch so often: a workspace that was used needs no clearing either. A runner has an allocator
/// of memory that it reaches, and
///
///     accept(how, batch, out, workspace, bytes)
///
/// which says what goes wrong there.
template <class Runner, class Batch, class Case>
std::string accepts_otherwise(Runner& run, planecast::detail::acceptance how, const Batch& batch, Case& c,
                              std::uint32_t times, accepts_seen& found) {
  using runner = std::remove_cvref_t<Runner>;
  const auto output = c.output, next = c.next, alone = c.alone, emitted = c.emitted;
  found.requests += batch.batch_size;
  for (std::uint32_t b = 0; b < batch.batch_size; ++b) {
    const std::int32_t* const row = output.data() + std::size_t{b} * (batch.max_draft_tokens + 1);
    const auto n = batch.of(b).count;
    std::uint32_t tokens = 0;
    while (tokens < n && row[tokens + 1] != -1)
      ++tokens;
    (n > 0 && tokens == n ? found.accepted : found.rejected) += 1;
  }

  constexpr std::size_t guard = 64;
  const std::size_t bytes =
      planecast::detail::accept_workspace::bytes(batch.batch_size, batch.max_draft_tokens);
  std::vector<std::byte, typename runner::template allocator<std::byte>> workspace(bytes + guard,
                                                                                   std::byte{0xA5});
  for (std::uint32_t k = 0; k < times; ++k) {
    c.reset();
    if (const std::string wrong = run.accept(how, batch, c.out, workspace.data(), bytes); !wrong.empty())
      return wrong;
    if (!std::all_of(workspace.begin() + static_cast<std::ptrdiff_t>(bytes), workspace.end(),
                     [](std::byte b) { return b == std::byte{0xA5}; }))
      return "something behind the workspace";
    if (c.output != output)
      return "other tokens, or something beside them";
    if (c.next != next)
      return "other next tokens";
    if (c.alone != alone || c.emitted != emitted)
      return "other counts";
  }
  return "";
}

/// The same of a random batch. Rows are of Target and Draft; what is to come of them is what comes, on the
/// CPU, of the same numbers in floats.
template <class Target, class Draft, class Runner>
std::string accept_trouble(Runner&& run, std::uint64_t seed, std::uint32_t most_vocab, accepts_seen& found) {
  using runner = std::remove_cvref_t<Runner>;
  using planecast::detail::acceptance;
  random_source random(seed);
  const auto how = static_cast<acceptance>(random.below(3));
  batch_wish wish;
  wish.logits = random.coin();
  wish.most_vocab = most_vocab;
  batch_case<runner::template allocator> c(wish, random);
  const narrow_rows<Target, Draft, runner::template allocator> rows(c, random);
  c.favour([&](const auto& b, const auto& o) { accept_on_cpu(how, b, o); }, random);
  accept_on_cpu(how, c.batch, c.out);
  return accepts_otherwise(run, how, rows.batch, c, 2, found);
}

/// Of one as large as an engine's. Logits have temperatures.
template <class Target, class Draft, class Runner>
std::string large_accept_trouble(Runner&& run, std::uint64_t seed, planecast::detail::acceptance how,
                                 planecast::target_kind kind, const batch_extents& extents,
                                 accepts_seen& found) {
  using runner = std::remove_cvref_t<Runner>;
  using planecast::target_kind;
  random_source random(seed);
  const bool drawn = how == planecast::detail::acceptance::rejection, tempered = kind == target_kind::logits;
  large_batch<Target, Draft, runner::template allocator> c(extents, kind, drawn, tempered, random);
  accept_on_cpu(how, c.batch, c.out);
  // Rows that both looked for in the wrong place would be the same to both.
  if (how == planecast::detail::acceptance::greedy || (tempered && !drawn))
    for (std::uint32_t b = 0; b < extents.requests; ++b)
      if (c.alone[b] < c.favoured[b])
        return "drafts that tower above their rows do not stand";
  return accepts_otherwise(run, how, c.batch, c, 1, found);
}

} // namespace planecast_test
