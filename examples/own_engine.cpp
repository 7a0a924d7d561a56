// Decoding with an engine of one's own while its cache arrives: four functions around the call that it has
// for a batch of tokens. The engine here is tiny_llm's; that it has these functions itself is not used.
#include <planecast/planecast.hpp>

#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <algorithm>
#include <cstdint>
#include <future>
#include <iostream>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using stream = pc::plane_stream<policy, pc::loopback>;

// One sequence of an engine that takes tokens and gives logits.
class adapted {
public:
  // Each token's sums have one order, whatever else is in the batch. If your kernels choose theirs by the
  // size of the batch, say false: the text is then that of the runs that verify() was called with.
  static constexpr bool batch_invariant = true;

  explicit adapted(tiny::engine& engine) : engine_(engine) {}

  pc::token_id step(pc::token_id t) {
    pc::token_id next = 0;
    verify({&t, 1}, {&next, 1});
    return next;
  }
  // One batch: the run's K and V go into the cache behind what is there, each row of logits is a token's. It
  // must read K and V of the prompt anew: poll() may have sharpened them since the last call.
  void verify(std::span<const pc::token_id> run, std::span<pc::token_id> next) {
    const std::size_t vocabulary = engine_.vocabulary();
    logits_.resize(run.size() * vocabulary);
    engine_.forward(run, logits_);
    for (std::size_t i = 0; i < run.size(); ++i) {
      const auto row = std::span(logits_).subspan(i * vocabulary, vocabulary);
      next[i] = static_cast<pc::token_id>(std::ranges::max_element(row) - row.begin()); // ties: the first
    }
  }
  // Drafts that came to nothing: their blocks are free again, or written anew.
  void truncate(std::size_t n) { engine_.truncate(n); }
  // The prompt counts from the start: it is there, if coarse.
  std::size_t position() const { return engine_.position(); }

private:
  tiny::engine& engine_;
  std::vector<float> logits_;
};
static_assert(pc::engine<adapted>);

// Computes the prompt's cache and sends it. The first token goes to whoever schedules requests.
void prefill_node(pc::loopback link, std::span<const pc::token_id> prompt, std::promise<pc::token_id> first) {
  const auto tokens = static_cast<std::uint32_t>(prompt.size());
  tiny::engine engine(tiny::embedded());
  stream::sender out{std::move(link), engine.geometry()};
  auto shot = out.open({.id = 1, .tokens = tokens});
  first.set_value(
      engine.prefill(prompt, [&](std::uint32_t layer) { // as each layer is computed, its base leaves
        pc::check(shot.put(layer, engine.view(layer, tokens)));
      }));
  pc::check(shot.plan(pc::budget::of_raw(0.5), engine.importance()));
  pc::check(shot.wait(pc::focused, 30s));
}

int main() {
  const std::string text = "The river ran through the valley, and the people of the town ";
  const std::vector<pc::token_id> prompt(text.begin(), text.end()); // the model's tokens are bytes
  const auto tokens = static_cast<std::uint32_t>(prompt.size());
  auto [from, to] = pc::loopback::pair();
  std::promise<pc::token_id> promised;
  auto first = promised.get_future();
  std::thread prefill(prefill_node, std::move(from), std::span(prompt), std::move(promised));

  tiny::engine engine(tiny::embedded());
  stream::receiver in{std::move(to), engine.geometry()};
  std::vector<pc::kv_pages> pages; // the prompt's places in this engine's blocks
  for (std::uint32_t layer = 0; layer < engine.geometry().layers; ++layer)
    pages.push_back(engine.pages(layer, tokens));
  auto kv = in.expect({.id = 1, .tokens = tokens}, pages);
  engine.adopt(tokens); // from here on the cache is as long as the prompt; what is in it arrives
  adapted mine(engine);
  const pc::speculated said = pc::speculate(mine, kv, {.first = first.get(), .max_tokens = 60});
  prefill.join();

  std::cout << text << '|' << std::string(said.tokens.begin(), said.tokens.end()) << '\n';
  if (said.degraded()) {
    std::cerr << said.status.message() << '\n';
    return 1;
  }
  // The same tokens as on the original cache, for the last plane made it so.
  tiny::engine original(tiny::embedded());
  pc::token_id next = original.prefill(prompt);
  for (const pc::token_id t : said.tokens) {
    if (t != next)
      return 1;
    next = original.step(t);
  }
}
