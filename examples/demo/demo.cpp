// Two processes, a slow link between them, and four ways to send a KV cache over it.
#include "context.hpp"
#include "interruption.hpp"
#include "meeting.hpp"
#include "modes.hpp"
#include "options.hpp"
#include "original.hpp"
#include "picture.hpp"
#include "prefill_process.hpp"
#include "report.hpp"
#include "result_file.hpp"
#include "screen.hpp"
#include "show.hpp"
#include "ways.hpp"

#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace pc = planecast;
using namespace std::chrono_literals;

using demo::peer_gone;
using meeting = demo::meeting<pc::socket>;

/// The prefill side: sends its cache in each of the ways, over a connection of its own each time.
void prefill(const demo::options& o) {
  demo::language speech(o);
  std::cout << "Waiting for the decode side at " << o.peer() << " ..." << std::endl;
  meeting other(pc::connect(o.peer(), {.unencrypted = o.unencrypted}, 600s), "decode");
  other.compare(demo::given_to(o, speech));
  std::cout << "It is there, and was given the same. Reading the prompt ..." << std::endl;
  const demo::original mine(o, std::move(speech));
  std::cout << "The cache of " << mine.tokens << " tokens is here, " << demo::spoken_bytes(mine.raw_bytes())
            << "." << std::endl;
  for (const demo::mode& m : demo::modes) {
    std::optional<std::string> next;
    while (!next) // it may read a long prompt and write a long text; that it is gone would be heard
      next = other.hear(10s);
    if (*next != m.name)
      throw std::runtime_error("the decode side says what makes no sense");
    std::cout << m.name << " ..." << std::endl;
    try {
      demo::policy_of(m, o).send(mine.way(m, o), pc::connect(o.peer(), {.unencrypted = o.unencrypted}, 30s));
    } catch (const pc::error& e) {
      if (e.status() == pc::errc::closed || e.status() == pc::errc::cancelled)
        throw peer_gone("the decode side is gone (" + e.status().message() + ")");
      throw;
    }
  }
}

/// The next peer. Meanwhile it is looked for Ctrl-C, and for whether the prefill side is still there, as far
/// as that is known; while it is there, it may take its time.
pc::socket next_peer(pc::listener& door, demo::prefill_process* child, meeting* other) {
  const bool known = child != nullptr || other != nullptr;
  for (const pc::deadline until = 600s;;) {
    try {
      return door.accept(200ms);
    } catch (const pc::error& e) {
      if (e.status().code != pc::errc::timeout || (!known && until.has_passed()))
        throw;
    }
    demo::check_interruption();
    if (child != nullptr && child->ended_within(0ms))
      throw peer_gone("the prefill process has ended");
    if (other != nullptr && other->hear(pc::deadline::passed()))
      throw std::runtime_error("the prefill side says what makes no sense");
  }
}

demo::outcome decode_one(const demo::mode& m, const demo::options& o, const demo::original& truth,
                         const std::vector<pc::token_id>& text, demo::screen& screen,
                         const std::function<pc::socket()>& peer) {
  const demo::named_policy& policy = demo::policy_of(m, o);
  demo::outcome out;
  out.name = m.name;
  out.raw_bytes = truth.raw_bytes();
  out.happened.planes = policy.planes(truth.way(m, o));
  const auto spelled = [&truth](pc::token_id t) { return truth.speech.spelled(t); };
  demo::show seen(screen, out.happened,
                  {.name = m.name, .what = m.what, .raw_bytes = out.raw_bytes, .spelled = spelled});
  demo::engine resident = truth.speech.make_engine();
  resident.adopt(truth.tokens);
  const demo::received got = policy.receive({.into = resident,
                                             .shape = truth.shape,
                                             .tokens = truth.tokens,
                                             .first = truth.first,
                                             .text = o.tokens,
                                             .ends = truth.speech.ends(),
                                             .step_ms = o.step_ms,
                                             .timeout = truth.way(m, o).timeout()},
                                            peer(), seen);
  if (got.said.status == pc::errc::closed || got.said.status == pc::errc::cancelled)
    throw peer_gone("the prefill side is gone (" + got.said.status.message() + ")");
  pc::check(got.said.status);
  const auto seconds = [](const auto& t) {
    return t ? std::optional(std::chrono::duration<double>(*t).count()) : std::nullopt;
  };
  out.bytes_before_first_token = got.bytes_before_first_token;
  out.bytes_total = got.bytes;
  out.first_drafted = seconds(got.said.first_drafted);
  out.first_verified_int8 = seconds(got.said.first_verified_int8);
  out.first_verified_exact = seconds(got.said.first_verified);
  if (got.said.first_drafted)
    out.drafted = got.said.drafted;
  if (got.said.first_drafted && got.said.rounds > 0)
    out.accepted = got.said.accepted;
  out.cache_equals_original = demo::same_cache(truth, resident);
  out.tokens_equal_original = got.said.tokens == text;
  out.ended = got.said.finish == pc::finish_reason::stop;
  for (const pc::token_id t : got.said.tokens)
    out.text += spelled(t);
  if (o.prompt.empty())
    out.answered = demo::answers(out.text, o.seed);
  seen.end(std::string("the cache is ") + (out.cache_equals_original ? "" : "not ") +
           "the original; the text is " + (out.tokens_equal_original ? "" : "not ") + "the original's" +
           (out.ended ? ", up to a token that ends it" : ""));
  return out;
}

void introduce(const demo::options& o, const demo::original& truth, demo::screen& screen) {
  std::string end;
  for (std::size_t i = truth.tokens - std::min<std::size_t>(truth.tokens, 44); i < truth.tokens; ++i)
    end += truth.speech.spelled(truth.speech.prompt()[i]);
  const int columns = std::min(screen.columns() - 1, 100);
  std::string text =
      demo::wrapped("A prefill process has read a prompt of " + std::to_string(truth.tokens) +
                        " tokens; a decode process is to write on from there, and needs the KV cache, " +
                        demo::spoken_bytes(truth.raw_bytes()) + " of BF16. Between them is TCP, shaped to " +
                        demo::spoken(truth.rate, "B/s") +
                        (o.rate > 0 ? "" : ", so that the cache as it is takes two seconds") +
                        ". The model is " + truth.speech.name() + "; a pass of it is made to last " +
                        demo::with_digits(o.step_ms, 0) + " ms or more.",
                    columns);
  text += demo::wrapped((o.prompt.empty() ? "Early in the prompt stands: The number of Zorilo is " +
                                                demo::hidden_number(o.seed) + ". It ends: ..."
                                          : "The prompt ends: ...") +
                            demo::harmless(end),
                        columns);
  if (screen.live()) {
    using namespace demo;
    text += "\nA bar is as long as its part of the raw cache.\nText: ";
    for (const auto& [tag, word] :
         {std::pair(pc::token_tag::drafted, "drafted"),
          std::pair(pc::token_tag::verified_int8, "right at 8 bits"),
          std::pair(pc::token_tag::verified, "exact"), std::pair(pc::token_tag::retracted, "taken back")})
      text += std::string(style::of(tag)) + word + std::string(style::none) +
              (tag == pc::token_tag::retracted ? "\n" : ", ");
  }
  demo::screen::print(text + "\n");
}

/// The decode side: receives the cache in each of the ways and decodes on it.
std::vector<demo::outcome> decode(const demo::options& o, demo::original& truth, pc::listener& door,
                                  demo::screen& screen, demo::prefill_process* child, meeting& other) {
  const std::vector<pc::token_id> text = truth.text(o.tokens);
  introduce(o, truth, screen);
  std::vector<demo::outcome> all;
  for (const demo::mode& m : demo::modes)
    all.push_back(decode_one(m, o, truth, text, screen, [&] {
      other.say(m.name);
      return next_peer(door, child, &other);
    }));
  return all;
}

/// It has nothing left to do, but the machine may be loaded.
bool ended_within_a_minute(demo::prefill_process& child) {
  for (const pc::deadline until = 60s; !until.has_passed();) {
    if (child.ended_within(200ms))
      return true;
    demo::check_interruption();
  }
  return false;
}

int run(int count, char** words) {
  demo::options o;
  if (!demo::parse(count, words, o)) {
    std::cout << demo::help;
    return 0;
  }
  (void)demo::policy_of(demo::modes.back(), o); // there is one
  demo::result_file json(o.json), svg(o.svg);   // before anything takes time
  if (o.unencrypted)
    std::cerr << "planecast-demo: --unencrypted: whoever is on the way can read the cache and change it.\n";
  if (o.role == "prefill") {
    demo::end_at_interruption();
    prefill(o);
    return 0;
  }
  demo::note_interruptions();
  demo::screen screen;
  pc::listener door(o.role.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(std::stoul(o.port)),
                    {.address = o.host, .unencrypted = o.unencrypted});
  std::unique_ptr<demo::prefill_process> child;
  if (o.role.empty())
    child = std::make_unique<demo::prefill_process>(
        demo::words_for_prefill(count, words, "127.0.0.1:" + std::to_string(door.port())));
  std::vector<demo::outcome> all;
  demo::setting how;
  try {
    demo::language speech(o);
    const bool alone = child == nullptr; // the other side is somebody's own
    if (alone)
      std::cout << "Waiting for the prefill side at " << o.peer() << " ..." << std::endl;
    meeting other(next_peer(door, child.get(), nullptr), "prefill");
    other.compare(demo::given_to(o, speech));
    if (alone)
      std::cout << "It is there, and was given the same. Both are reading the prompt ...\n" << std::endl;
    demo::original truth(o, std::move(speech));
    how = {.model = truth.speech.name(),
           .policy = o.policy,
           .architecture = truth.speech.architecture(),
           .model_shape = truth.speech.shape(),
           .prompt = o.prompt,
           .seed = o.seed,
           .prompt_tokens = truth.tokens,
           .tokens = o.tokens,
           .link_bytes_per_second = truth.rate,
           .latency_s = o.latency_ms / 1000,
           .budget = truth.budget,
           .step_s = o.step_ms / 1000};
    all = decode(o, truth, door, screen, child.get(), other);
  } catch (const peer_gone&) {
    if (child && child->ended_within(1s))
      if (const std::string complaint = child->complaint(); !complaint.empty())
        throw std::runtime_error(complaint);
    throw;
  }
  // What came of it is written before anything can still go wrong.
  if (!screen.live())
    std::cout << "\n";
  demo::write_table(std::cout, all, screen.columns());
  std::cout << "\n"
            << demo::wrapped(demo::conclusion(all), std::min(screen.columns() - 1, 100)) << std::flush;
  json.write([&](std::ostream& to) { demo::write_json(to, all, how, planecast_bench::context(o.commit)); });
  svg.write([&](std::ostream& to) { demo::write_picture(to, all, how); });
  if (const std::string wrong = demo::what_should_not_be(all); !wrong.empty())
    throw std::runtime_error(wrong);
  if (child && !ended_within_a_minute(*child))
    throw std::runtime_error("the prefill process does not end");
  if (child)
    if (const std::string complaint = child->complaint(); !complaint.empty())
      throw std::runtime_error(complaint);
  return 0;
}

} // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const pc::error& e) {
    std::cerr << "planecast-demo: " << e.what() << "\n";
    if (e.status() == pc::errc::unsupported)
      std::cerr
          << "Between two machines say --unencrypted at both, if nobody is on the way who must not see the "
             "cache. Or lay a tunnel, and name its end here:\n  ssh -L 7440:127.0.0.1:7440 decode-host\n";
    return 1;
  } catch (const demo::interrupted& e) {
    std::cerr << "\nplanecast-demo: " << e.what() << "\n";
    return 128 + e.number;
  } catch (const std::exception& e) {
    std::cerr << "planecast-demo: " << e.what() << "\n";
    return 1;
  }
}
