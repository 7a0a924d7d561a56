// The same for a batch of requests, whose engine takes tokens of many sequences in one pass.
#pragma once

#include "planecast/decode/batch_engine.hpp"
#include "planecast/decode/speculate.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace planecast::inline v0 {

/// One of a batch's requests. Borrows the cache.
template <arriving_cache K>
struct batch_request {
  K* cache = nullptr;             ///< that arrives in the sequence's pages
  std::size_t sequence = 0;       ///< the engine's number of it
  speculate_options options = {}; ///< of this request
};

/// Decodes several requests at a time, each as speculate() would alone: in every pass the engine gets one
/// token of each request that drafts, and the runs of those that verify. None waits for another's cache;
/// where all wait, their links are driven in turn. On a batch-invariant engine each text is the one that
/// speculate() gives. A pass takes at most max_pass_tokens; where that is less than all want, verifications
/// go first, and those that were left out are the first of the next pass.
/// Preconditions: as speculate()'s, of each request. Sequences differ, caches are there and differ,
/// least_confidence is 0 unless the engine has a confidence(sequence), and max_pass_tokens is at least 1
/// (throws std::invalid_argument).
/// Effects: as speculate()'s, of each sequence. Results in the order of the requests.
/// Errors: as speculate()'s. An exception of one request's on_token ends all.
/// Example: `auto texts = speculate_batch(engine, std::vector{batch_request{&a, 0, {…}}, …});`
template <batch_engine E, arriving_cache K>
std::vector<speculated>
speculate_batch(E& e, const std::vector<batch_request<K>>& requests,
                std::size_t max_pass_tokens = std::numeric_limits<std::size_t>::max()) {
  if (max_pass_tokens == 0)
    throw std::invalid_argument("planecast: speculate_batch: a pass of no tokens");
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const batch_request<K>& r = requests[i];
    detail::check_options<typename K::policy::tiers>(r.options);
    if (r.cache == nullptr || (r.options.least_confidence > 0 && !detail::says_confidence_of<E>))
      throw std::invalid_argument(
          "planecast: speculate_batch: no cache, or least_confidence, but the engine has no confidence()");
    for (std::size_t j = 0; j < i; ++j)
      if (requests[j].sequence == r.sequence || requests[j].cache == r.cache)
        throw std::invalid_argument("planecast: speculate_batch: two requests of one sequence or cache");
  }
  std::deque<speculation<K&>> texts;
  for (const batch_request<K>& r : requests)
    texts.emplace_back(*r.cache, r.options, e.position(r.sequence), E::batch_invariant);
  const auto truncate_to = [&](std::size_t sequence, std::size_t position) {
    if (e.position(sequence) != position)
      e.truncate(sequence, position);
  };

  std::vector<turn> turns(texts.size(), turn::wait);
  std::vector<std::size_t> order(texts.size()); // in which room is handed out: who had none comes first
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<sequence_run> runs;
  for (;;) {
    runs.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      turns[i] = texts[i].next(max_pass_tokens);
      if (turns[i] == turn::over && !requests[i].cache->reached(focused))
        (void)requests[i].cache->poll(); // its frames must not stand in the way of others
    }
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t i) { return turns[i] == turn::feed && !texts[i].is_step(); });
    std::size_t room = max_pass_tokens;
    bool all_step = true;
    for (const std::size_t i : order) {
      if (turns[i] == turn::feed && texts[i].run().size() > room)
        turns[i] = texts[i].next(room); // without room a turn to wait
      if (turns[i] != turn::feed)
        continue;
      all_step = all_step && texts[i].is_step();
      truncate_to(requests[i].sequence, texts[i].position());
      runs.push_back({requests[i].sequence, texts[i].run(), texts[i].next_tokens()});
      room -= texts[i].run().size();
    }
    std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return turns[i] != turn::feed; });
    const auto waiting = std::ranges::count(turns, turn::wait);
    if (runs.empty() && waiting == 0)
      break;
    const auto begun = deadline::clock::now();
    if (!runs.empty())
      e.forward(runs);
    const auto time = deadline::clock::now() - begun;
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (turns[i] == turn::feed) {
        pass_outcome how;
        if (all_step || !texts[i].is_step())
          how.time = time;
        if constexpr (detail::says_confidence_of<E>)
          if (texts[i].asks_confidence())
            how.confidence = e.confidence(requests[i].sequence);
        texts[i].took(how);
        truncate_to(requests[i].sequence, texts[i].held());
      } else if (turns[i] == turn::wait && runs.empty()) // a glance in all
        texts[i].wait(deadline::clock::duration(detail::speculation_glance) / waiting);
  }
  std::vector<speculated> results;
  for (speculation<K&>& t : texts)
    results.push_back(t.result());
  return results;
}

} // namespace planecast::inline v0
