// Decodes one sequence with a Llama or Qwen2 over a paged KV cache. Deterministic and batch-invariant: the
// arithmetic of each token is done in the same order whatever else is in the pass, on however many threads,
// with AVX2 or without.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/decode/engine.hpp"

#include "kernels.hpp"
#include "model.hpp"
#include "thread_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace tiny {

using planecast::token_id;

struct engine_options {
  std::uint32_t context = 2048;                      ///< longest sequence; the model's own if that is shorter
  std::uint32_t block_size = 16;                     ///< tokens of a block of the cache
  planecast::number dtype = planecast::number::bf16; ///< of the cache: bf16 or fp16
  std::uint32_t window = 32;                         ///< queries whose attention makes the importance
  unsigned threads = 1;
  bool vectors = true; ///< AVX2 where the machine has it; the results are the same without
};

/// One sequence. Models planecast::engine. K and V of every token, the current one's too, are used as the
/// cache holds them: rounded to its dtype, and read anew in each pass.
class engine {
public:
  static constexpr bool batch_invariant = true;

  /// Errors: std::invalid_argument for options out of range.
  explicit engine(std::shared_ptr<const model> m, engine_options options = {});

  /// Feeds a prompt into the empty cache and returns the first token. Calls after_layer(l) when the cache of
  /// layer l is complete, before layer l + 1 is begun.
  token_id prefill(std::span<const token_id> prompt,
                   const std::function<void(std::uint32_t)>& after_layer = {});
  /// Takes the first n positions as filled by somebody else.
  void adopt(std::size_t n);

  /// Feeds run at position(); logits[i · vocabulary() + v] is that of v after run[i]. step and verify are
  /// made of it. Preconditions: logits has run.size() · vocabulary() entries. Errors: std::invalid_argument,
  /// std::out_of_range for a token that is none, std::length_error where the context is full; nothing has
  /// changed then.
  void forward(std::span<const token_id> run, std::span<float> logits);

  /// The greedy next token; of equals the lowest.
  token_id step(token_id t);
  void verify(std::span<const token_id> run, std::span<token_id> next);
  void truncate(std::size_t n);
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t vocabulary() const { return c_.vocab; }
  [[nodiscard]] std::size_t context() const { return context_; }

  /// Attention that each token of the prompt got from the last `window` queries, all layers and heads
  /// together.
  [[nodiscard]] std::span<const float> importance() const { return importance_; }

  [[nodiscard]] planecast::geometry geometry() const { return c_.geometry(options_.dtype); }
  [[nodiscard]] planecast::kv_view view(std::uint32_t layer, std::uint32_t tokens) const;
  [[nodiscard]] planecast::kv_pages pages(std::uint32_t layer, std::uint32_t tokens);

private:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
  struct head_room { // what the attention of one KV head works with
    std::vector<float> keys, values, scores, gathered, importance;
  };
  /// What is done with a token's last hidden state: its place in the run, and the state.
  using heads_of = std::function<void(std::size_t first, batch<const float> states)>;

  [[nodiscard]] planecast::kv_strides strides() const;
  [[nodiscard]] planecast::token_slots slots(std::uint32_t tokens) const;
  [[nodiscard]] std::size_t slot(std::size_t t) const;
  void check(std::size_t tokens) const;

  void pass(std::span<const token_id> run, std::size_t wanted, const heads_of& then, std::size_t watched,
            const std::function<void(std::uint32_t)>& after_layer);
  void embed(std::span<const token_id> run);
  void layer(std::uint32_t l, std::size_t first, std::size_t count, std::size_t watched);
  void attend(std::uint32_t l, std::uint32_t kv_head, std::size_t first, std::size_t count,
              std::size_t watched);
  void append(std::uint32_t l, std::size_t first, std::size_t count);
  void gather(std::uint32_t l, std::uint32_t kv_head, std::size_t n, head_room& room) const;
  void multiply(const model::linear& w, batch<const float> x, batch<float> y);
  void run_heads(std::size_t first, batch<const float> states, std::span<token_id> next);

  std::shared_ptr<const model> model_;
  model_config c_;
  engine_options options_;
  std::size_t context_;
  const kernels* kernels_;
  std::unique_ptr<thread_pool> pool_;
  std::vector<std::uint32_t> block_table_;
  std::vector<std::vector<std::uint16_t>> keys_,
      values_; // of each layer: blocks × block_size × heads × channels
  std::size_t position_ = 0;
  std::vector<float> importance_;
  // Working space: the residual stream of a pass, and what a part of it needs on the way through a layer.
  std::vector<float> stream_, normed_, queries_, new_keys_, new_values_, gates_, ups_, cosines_, sines_,
      logits_;
  std::vector<head_room> heads_;
  std::vector<std::vector<float>> rooms_; // of each thread
};

static_assert(planecast::engine<engine>);

} // namespace tiny
