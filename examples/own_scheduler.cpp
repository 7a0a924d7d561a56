// A scheduler of one's own, which batches continuously: requests come and go between passes, and a pass takes
// tokens of all that have some to feed, as far as it has room. The caches of three requests arrive over a
// slow link meanwhile; for each of them a pc::speculation says what it feeds next. A fourth was prefilled
// here, and planecast knows nothing of it. The second one's user hangs up. Prints who was in which pass.
#include <planecast/planecast.hpp>

#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/engine.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <iostream>
#include <list>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using receiver = pc::plane_stream<policy, pc::loopback>::receiver;

// What a request's front end says of it, and the prefill node, once it is so far: its first token.
struct job {
  std::uint64_t id;
  std::string text;
  std::promise<pc::token_id> first = {};
  std::vector<pc::token_id> prompt() const { return {text.begin(), text.end()}; } // the tokens are bytes
};

// Computes the caches one after the other, and sends them over a link of 100 kB/s.
void prefill_node(pc::loopback link, std::span<job> jobs) {
  using stream = pc::plane_stream<policy, pc::shaped<pc::loopback>>;
  const pc::geometry model = tiny::engine(tiny::embedded()).geometry();
  stream::sender out{{std::move(link), {.bytes_per_second = 100e3}}, model};
  std::list<stream::sender::outgoing> shots;
  for (job& j : jobs) {
    const auto prompt = j.prompt();
    const auto tokens = static_cast<std::uint32_t>(prompt.size());
    tiny::engine engine(tiny::embedded());
    auto& shot = shots.emplace_back(out.open({.id = j.id, .tokens = tokens}));
    j.first.set_value(engine.prefill(
        prompt, [&](std::uint32_t layer) { pc::check(shot.put(layer, engine.view(layer, tokens))); }));
    pc::check(shot.plan(pc::budget::base(), engine.importance()));
    pc::check(shot.wait(pc::source_free, 30s)); // then the engine's memory is somebody else's
  }
  for (auto& shot : shots)
    (void)shot.wait(pc::focused, 30s); // or until the other end gives it up
}

// A request as the scheduler keeps it: its blocks of the cache, and what decides for it.
struct request {
  request(const job& j, receiver& in, pc::token_id first)
      : id(j.id), text(arriving(in, static_cast<std::uint32_t>(j.text.size())),
                       {.first = first, .max_tokens = 60}, j.text.size(), tiny::engine::batch_invariant) {}
  receiver::incoming arriving(receiver& in, std::uint32_t tokens) {
    std::vector<pc::kv_pages> pages;
    for (std::uint32_t layer = 0; layer < blocks.geometry().layers; ++layer)
      pages.push_back(blocks.pages(layer, tokens));
    blocks.adopt(tokens);
    return in.expect({.id = id, .tokens = tokens}, pages);
  }
  std::uint64_t id;
  tiny::engine blocks{tiny::embedded()};
  pc::speculation<receiver::incoming> text;
};

// One pass of the engine: each sequence takes a run of tokens, behind the first `position` that it holds.
// (tiny_llm takes one after the other, here at the pace of a larger model.)
struct share {
  tiny::engine& sequence;
  std::size_t position;
  std::span<const pc::token_id> run;
  std::span<pc::token_id> next;
};
void pass(std::span<const share> shares) {
  for (const share& s : shares) {
    s.sequence.truncate(s.position);
    s.sequence.verify(s.run, s.next);
  }
  std::this_thread::sleep_for(3ms);
}

void report(std::size_t number, std::span<const share> shares) {
  if (std::ranges::all_of(shares, [](const share& s) { return s.run.size() == 1; }))
    return; // steps all
  std::cout << "pass " << number << " takes tokens of " << shares.size() << " requests:";
  for (const share& s : shares)
    std::cout << ' ' << s.run.size();
  std::cout << '\n';
}

std::vector<pc::token_id> original(const std::vector<pc::token_id>& prompt, std::size_t length) {
  tiny::engine engine(tiny::embedded());
  std::vector<pc::token_id> text = {engine.prefill(prompt)};
  while (text.size() < length)
    text.push_back(engine.step(text.back()));
  return text;
}

int main() {
  std::array jobs = {job{1, "The river ran through the valley, and the people of the town "},
                     job{2, "In the spring of that year the king sent his army to the north, and "},
                     job{3, "The ship left the harbour in the morning, and after three days at sea "}};
  auto [from, to] = pc::loopback::pair();
  std::vector<std::future<pc::token_id>> firsts;
  for (job& j : jobs)
    firsts.push_back(j.first.get_future());
  std::jthread prefill(prefill_node, std::move(from), std::span(jobs));

  const job here{4, "The house stood at the end of the street, and "};
  constexpr std::size_t here_tokens = 200;
  tiny::engine resident(tiny::embedded());
  std::vector<pc::token_id> said = {resident.prefill(here.prompt())};

  receiver in{std::move(to), resident.geometry()};
  std::list<request> running;
  std::map<std::uint64_t, pc::speculated> done;
  for (std::size_t passes = 0, admitted = 0; done.size() < jobs.size() || said.size() < here_tokens;) {
    // Requests come, ...
    if (admitted < jobs.size() && firsts[admitted].wait_for(0s) == std::future_status::ready) {
      running.emplace_back(jobs[admitted], in, firsts[admitted].get());
      std::cout << "before pass " << passes << " request " << jobs[admitted++].id << " is admitted\n";
    }
    // ... say what they feed, or are over and go, ...
    std::vector<share> shares;
    std::size_t room = 24; // tokens that a pass takes
    pc::token_id next = 0;
    if (said.size() < here_tokens) {
      shares.push_back({resident, resident.position(), std::span(said).last(1), {&next, 1}});
      --room;
    }
    std::vector<request*> steps;
    const auto take = [&](request& r) {
      shares.push_back({r.blocks, r.text.position(), r.text.run(), r.text.next_tokens()});
      room -= r.text.run().size();
    };
    for (auto r = running.begin(); r != running.end();)
      switch (r->text.next(room)) {
      case pc::turn::feed: // verifications first
        if (r->text.is_step())
          steps.push_back(&*r);
        else
          take(*r);
        ++r;
        break;
      case pc::turn::wait: // for the link, or for room
        ++r;
        break;
      case pc::turn::over:
        done.emplace(r->id, r->text.result());
        r = running.erase(r); // with its blocks; what has not arrived by now does not come any more
      }
    for (request* const r : steps)
      if (room > 0)
        take(*r);
      else
        (void)r->text.next(0); // it is left out, and asked again before the next pass
    // ... are fed all at once, or all wait, ...
    if (!shares.empty()) {
      report(passes++, shares);
      pass(shares);
    } else if (!running.empty())
      running.front().text.wait(5ms); // drives the link, which is the same for all
    else if (admitted < jobs.size())
      (void)firsts[admitted].wait_for(5ms); // nothing is here to be done
    // ... and learn what came of it, if they were in the pass.
    if (said.size() < here_tokens)
      said.push_back(next);
    for (request& r : running) {
      r.text.took();
      r.blocks.truncate(r.text.held());
      if (r.id == 2 && r.text.so_far().tokens.size() > 20)
        r.text.cancel(); // its user hangs up
    }
  }
  prefill.join();

  bool right = said == original(here.prompt(), said.size());
  for (const job& j : jobs) {
    const pc::speculated& s = done.at(j.id);
    std::cout << j.text << '|' << std::string(s.tokens.begin(), s.tokens.end());
    if (j.id == 2) {
      right = right && s.finish == pc::finish_reason::cancelled;
      std::cout << "| cancelled\n";
    } else {
      right = right && s.status.ok() && s.tokens == original(j.prompt(), 60);
      std::cout << "| drafted " << s.drafted << ", of which stand " << s.accepted << '\n';
    }
  }
  return right ? 0 : 1;
}
