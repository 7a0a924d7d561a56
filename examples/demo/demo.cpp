// Two processes, a slow link between them, and four ways to send a KV cache over it.
#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include "context.hpp"
#include "modes.hpp"
#include "options.hpp"
#include "toy_engine/toy_engine.hpp"

#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

namespace pc = planecast;
using namespace std::chrono_literals;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
using prefill_stream = pc::plane_stream<policy, pc::shaped<pc::socket>>;
using decode_stream = pc::plane_stream<policy, pc::socket>;

/// The engine of the tests, each pass of which is made to last as long as a larger model's.
class paced_engine {
public:
  static constexpr bool batch_invariant = toy::engine::batch_invariant;

  paced_engine(toy::engine& e, double least_ms) : engine_(e), least_(least_ms) {}

  pc::token_id step(pc::token_id t) {
    const auto until = due();
    const pc::token_id next = engine_.step(t);
    std::this_thread::sleep_until(until);
    return next;
  }
  void verify(std::span<const pc::token_id> run, std::span<pc::token_id> next) {
    const auto until = due();
    engine_.verify(run, next);
    std::this_thread::sleep_until(until);
  }
  void truncate(std::size_t n) { engine_.truncate(n); }
  [[nodiscard]] std::size_t position() const { return engine_.position(); }

private:
  [[nodiscard]] std::chrono::steady_clock::time_point due() const {
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(least_);
  }
  toy::engine& engine_;
  std::chrono::duration<double, std::milli> least_;
};

/// What both sides can make for themselves: weights, prompt, and the original that all is compared with.
struct original {
  std::shared_ptr<const toy::model> weights;
  std::vector<pc::token_id> prompt;
  toy::engine engine;
  pc::token_id first = 0;
  pc::geometry shape;

  explicit original(const demo::options& o)
      : weights(std::make_shared<const toy::model>(toy::config{
            .layers = 8, .query_heads = 8, .kv_heads = 4, .context = o.prompt + o.tokens, .seed = o.seed})),
        engine(weights), shape(weights->shape.geometry()) {
    toy::random random(o.seed);
    for (std::uint32_t i = 0; i < o.prompt; ++i)
      prompt.push_back(static_cast<pc::token_id>(random.below(weights->shape.vocab)));
    first = engine.prefill(prompt);
  }
  [[nodiscard]] std::uint32_t tokens() const { return static_cast<std::uint32_t>(prompt.size()); }
};

/// The prefill side: sends its cache in each of the modes, over a connection of its own each time.
void prefill(const demo::options& o) {
  const original mine(o);
  const double rate = static_cast<double>(mine.shape.raw_bytes(mine.tokens())) / o.seconds;
  const auto latency = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::milli>(o.latency_ms));
  for (const demo::mode& m : demo::modes) {
    prefill_stream::sender out(
        pc::shaped(pc::connect(o.peer, {}, 60s), {.bytes_per_second = rate, .latency = latency}), mine.shape,
        {.chunk_bytes = 64 * 1024, .window_bytes = 128 * 1024});
    pc::check(out.wait_connected(10s));
    auto shot = out.open({.id = 1, .tokens = mine.tokens(), .how = m.how});
    for (std::uint32_t layer = 0; layer < mine.shape.layers; ++layer)
      pc::check(shot.put(layer, mine.engine.view(layer, mine.tokens())));
    pc::check(shot.plan(m.one_shot ? pc::budget::everything() : pc::budget::of_raw(o.budget),
                        mine.engine.importance(), {.pinned = {}, .until = m.until}));
    pc::check(shot.wait(pc::focused, std::chrono::duration_cast<std::chrono::nanoseconds>(
                                         std::chrono::duration<double>(10 * o.seconds + 30))));
  }
}

bool same_cache(const original& o, const toy::engine& other) {
  for (std::uint32_t l = 0; l < o.shape.layers; ++l) {
    const pc::kv_view a = o.engine.view(l, o.tokens()), b = other.view(l, o.tokens());
    for (std::uint32_t t = 0; t < o.tokens(); ++t)
      for (std::uint32_t h = 0; h < o.shape.kv_heads; ++h)
        if (std::memcmp(a.key(t, h), b.key(t, h), 2 * std::size_t{o.shape.key_dim}) != 0 ||
            std::memcmp(a.value(t, h), b.value(t, h), 2 * std::size_t{o.shape.value_dim}) != 0)
          return false;
  }
  return true;
}

/// The decode side: receives the cache in each of the modes and decodes on it.
std::vector<demo::outcome> decode(const demo::options& o, pc::listener& door) {
  original truth(o);
  std::vector<pc::token_id> text{truth.first};
  while (text.size() < o.tokens)
    text.push_back(truth.engine.step(text.back()));
  const std::uint64_t raw = truth.shape.raw_bytes(truth.tokens());
  std::cout << "A cache of " << truth.tokens() << " tokens, " << raw / 1024 << " KiB of BF16, over a link of "
            << static_cast<double>(raw) / o.seconds / 1e6 << " MB/s; " << o.tokens
            << " tokens are decoded on it,\nthe engine takes at least " << o.step_ms << " ms a pass.\n";

  std::vector<demo::outcome> all;
  for (const demo::mode& m : demo::modes) {
    std::cout << m.name << " ..." << std::endl;
    toy::engine resident(truth.weights);
    resident.adopt(truth.tokens());
    std::vector<pc::kv_pages> pages;
    for (std::uint32_t l = 0; l < truth.shape.layers; ++l)
      pages.push_back(resident.pages(l, truth.tokens()));
    paced_engine engine(resident, o.step_ms);

    decode_stream::receiver in(door.accept(60s), truth.shape);
    auto kv = in.expect({.id = 1, .tokens = truth.tokens()}, pages);
    demo::outcome out;
    out.name = m.name;
    const auto timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(10 * o.seconds + 30));
    const pc::speculated said = pc::speculate(engine, kv,
                                              {.first = truth.first,
                                               .max_tokens = o.tokens,
                                               .on_token =
                                                   [&](const pc::token_event& e) {
                                                     if (e.index == 1 && out.bytes_before_first_token == 0)
                                                       out.bytes_before_first_token = kv.metrics().data_bytes;
                                                   },
                                               .timeout = timeout});
    pc::check(said.status);
    const auto seconds = [](const auto& t) {
      return t ? std::optional(std::chrono::duration<double>(*t).count()) : std::nullopt;
    };
    out.bytes_total = kv.metrics().data_bytes;
    out.raw_bytes = raw;
    out.first_drafted = seconds(said.first_drafted);
    out.first_verified_int8 = seconds(said.first_verified_int8);
    out.first_verified_exact = seconds(said.first_verified);
    if (said.first_drafted)
      out.drafted = said.drafted;
    if (said.first_drafted && said.rounds > 0)
      out.accepted = said.accepted;
    out.cache_equals_original = same_cache(truth, resident);
    out.tokens_equal_original = said.tokens == text;
    all.push_back(out);
  }
  return all;
}

/// This program once more, as the prefill side.
pid_t start_prefill(int count, char** words, std::uint16_t port) {
  std::vector<std::string> all(words, words + count);
  for (const std::string& word : {std::string("--role"), std::string("prefill"), std::string("--peer"),
                                  "127.0.0.1:" + std::to_string(port)})
    all.push_back(word);
  std::vector<char*> pointers;
  for (std::string& word : all)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0)
    throw std::runtime_error("a second process could not be started");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM); // not to outlive the decode side
    if (getppid() == parent)
      execv("/proc/self/exe", pointers.data());
    _exit(127);
  }
  return child;
}

/// Waits for the other process, which has said on its own what went wrong there, if anything did.
bool ended_well(pid_t child) {
  int result = 0;
  for (int i = 0; i < 100; ++i) {
    if (waitpid(child, &result, WNOHANG) == child)
      return WIFEXITED(result) && WEXITSTATUS(result) == 0;
    std::this_thread::sleep_for(20ms);
  }
  kill(child, SIGTERM);
  waitpid(child, &result, 0);
  return false;
}

int run(int count, char** words) {
  demo::options o;
  if (!demo::parse(count, words, o)) {
    std::cout << demo::help;
    return 0;
  }
  if (o.role == "prefill") {
    prefill(o);
    return 0;
  }
  const std::size_t colon = o.peer.rfind(':');
  const unsigned long port = o.role.empty() ? 0 : std::stoul(o.peer.substr(colon + 1));
  pc::listener door(static_cast<std::uint16_t>(port));
  const pid_t child = o.role.empty() ? start_prefill(count, words, door.port()) : 0;
  std::vector<demo::outcome> all;
  try {
    all = decode(o, door);
  } catch (...) {
    if (child > 0)
      ended_well(child);
    throw;
  }
  if (child > 0 && !ended_well(child))
    throw std::runtime_error("the prefill process ended badly");
  demo::write_table(std::cout, all);
  if (!o.json.empty()) {
    std::ofstream file(o.json);
    demo::write_json(file, all, planecast_bench::context(o.commit));
    if (!file.flush())
      throw std::runtime_error("cannot write " + o.json);
  }
  return 0;
}

} // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const std::exception& e) {
    std::cerr << "planecast-demo: " << e.what() << "\n";
    return 1;
  }
}
