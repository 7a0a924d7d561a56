// Any bytes as what a peer says, on both lanes, to a receiver and to a sender: a status, no crash, no write
// beside the request's tokens, and no memory beyond what the options allow.
#include "planecast/planecast.hpp"

#include "fuzz/input.hpp"
#include "stream/recorded.hpp"
#include "stream/scripted.hpp"
#include "support/own_new.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace {
// Nothing of this size is needed here: whoever asks for it believed a peer.
constexpr std::size_t most_at_once = std::size_t{1} << 20;
bool watched = false; // libFuzzer's own tables are larger
} // namespace

void test::before_new(std::size_t bytes) {
  FUZZ_CHECK(!watched || bytes <= most_at_once);
}

using namespace planecast;
using fuzz::input;

namespace {

using policy = precision_policy<tiers<4, 8, lossless>, keys<per_channel<8>>, values<per_token>>;
using stream = plane_stream<policy, loopback>;

constexpr std::uint64_t id = 7;
constexpr std::uint32_t opening = 5; // of the honest request
constexpr std::uint16_t untouched = 0x7FFF;

struct memory {
  memory(const geometry& g, std::uint32_t n) : shape(g), tokens(n), arrays(std::size_t{2} * g.layers) {
    for (std::uint32_t l = 0; l < 2 * shape.layers; ++l)
      arrays[l].assign(std::size_t{tokens} * shape.kv_heads * dim(l), untouched);
  }
  [[nodiscard]] std::uint32_t dim(std::uint32_t array) const {
    return array % 2 == 0 ? shape.key_dim : shape.value_dim;
  }
  template <class View>
  View view(std::uint32_t l) {
    return View(arrays[2 * l].data(), kv_strides::nhd(shape.kv_heads, shape.key_dim),
                arrays[2 * l + 1].data(), kv_strides::nhd(shape.kv_heads, shape.value_dim), tokens);
  }
  std::vector<kv_pages> pages() {
    std::vector<kv_pages> all;
    for (std::uint32_t l = 0; l < shape.layers; ++l)
      all.push_back(view<kv_pages>(l));
    return all;
  }
  void prefix_is_untouched(std::uint32_t first) const {
    for (std::uint32_t l = 0; l < 2 * shape.layers; ++l)
      for (std::size_t i = 0; i < std::size_t{first} * shape.kv_heads * dim(l); ++i)
        FUZZ_CHECK(arrays[l][i] == untouched);
  }

  geometry shape;
  std::uint32_t tokens;
  std::vector<std::vector<std::uint16_t>> arrays;
};

hello said_by(role who, const geometry& model, std::uint32_t chunk) {
  return {who, chunk, model, {}, policy::page_tokens, policy::planes::count, policy::fingerprint()};
}

// One or several fields of a header become what the input says.
void spoil(frame_header& h, input& in) {
  for (std::uint32_t n = in.below(4); n > 0; --n)
    switch (in.below(11)) {
    case 0:
      h.kind = static_cast<frame_kind>(in.byte());
      break;
    case 1:
      h.plane = static_cast<std::uint8_t>(in.byte());
      break;
    case 2:
      h.request = in.number<std::uint64_t>();
      break;
    case 3:
      h.sequence = in.number<std::uint64_t>();
      break;
    case 4:
      h.first = in.number<std::uint32_t>();
      break;
    case 5:
      h.count = in.number<std::uint32_t>();
      break;
    case 6:
      h.layer_first = static_cast<std::uint16_t>(in.word());
      break;
    case 7:
      h.layer_count = static_cast<std::uint16_t>(in.word());
      break;
    case 8:
      h.first = in.byte();
      break;
    case 9:
      h.count = in.byte();
      break;
    default:
      h.opening = in.byte();
    }
}

test::message any_bytes(input& in, std::uint32_t most) {
  test::message m(in.word() % (most + 1));
  for (std::byte& b : m)
    b = static_cast<std::byte>(in.byte());
  return m;
}

// On the control lane: a proper frame of any kind, with anything in it; or no frame at all.
void say_anything(test::scripted& peer, input& in) {
  if (in.below(16) == 0) {
    peer.send(lane::control, any_bytes(in, 300));
    return;
  }
  frame_header h{.kind = static_cast<frame_kind>(1 + in.below(8)),
                 .request = in.coin() ? id : in.below(4),
                 .opening = in.coin() ? opening : in.below(4)};
  h.first = in.below(12);
  h.count = in.below(64);
  test::message payload = in.coin() ? test::message() : any_bytes(in, 200);
  if (h.kind == frame_kind::lost && in.coin())
    payload = test::numbers(std::uint64_t{in.byte()});
  spoil(h, in);
  peer.say(h, payload);
}

void greet(test::scripted& peer, input& in, const hello& h) {
  test::message mine = test::frame_of(h);
  mine.erase(mine.begin(), mine.begin() + frame_header_bytes);
  if (in.below(8) == 0)
    detail::store(mine.data() + 8 * in.below(hello::count), in.number<std::uint64_t>());
  peer.say({.kind = frame_kind::hello}, mine);
}

// Frames of a request as an honest sender makes them.
std::vector<test::recorded_frame> honest_frames(const geometry& g, const request& r, std::uint32_t chunk,
                                                input& in) {
  memory from(g, r.tokens);
  for (auto& a : from.arrays)
    fuzz::fill(a, in);
  detail::outgoing_request<policy, cpu> out(r, opening, g, 0, chunk);
  for (std::uint32_t l = 0; l < g.layers; ++l)
    out.put(l, from.view<kv_view>(l));
  const equal_scores alike;
  if (!out.make_plan(budget::of_raw(0.01 * in.below(200)), alike, {.pinned = {1, 2}}).ok())
    FUZZ_CHECK(out.make_plan(budget::base(), alike, {}).ok());
  out.accepted = true;
  detail::schedule line;
  out.enqueue(line);
  return test::emptied(line, out, chunk);
}

void to_a_receiver(input& in) {
  const geometry g{.dtype = in.coin() ? number::fp16 : number::bf16,
                   .layers = 1 + in.below(2),
                   .kv_heads = 1 + in.below(2),
                   .key_dim = 8,
                   .value_dim = 8 + 8 * in.below(2)};
  const std::uint32_t tokens = 1 + in.below(30), first = in.coin() ? in.below(tokens) : 0;
  const auto chunk = static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(g));
  const request wanted{id, tokens, first};
  const auto frames = honest_frames(g, wanted, chunk, in);
  auto [a, b] = loopback::pair();
  test::scripted peer(std::move(a));
  receiver_options options{.chunk_bytes = chunk + in.byte()};
  options.slots = 1 + in.below(4);
  options.staged_frames = options.slots + in.below(64);
  options.unexpected_requests = in.below(4);
  options.linger = {};
  memory to(g, tokens);
  stream::receiver receiver(std::move(b), g, options);
  std::optional<stream::receiver::incoming> kv;
  if (in.coin())
    kv.emplace(receiver.expect(wanted, to.pages()));
  greet(peer, in, said_by(role::sender, g, chunk));
  frame_header opens{
      .kind = frame_kind::open, .request = id, .first = first, .count = tokens, .opening = opening};
  if (in.below(8) == 0)
    spoil(opens, in);
  peer.say(opens);
  std::size_t next = 0;
  for (int i = 0; i < 200 && !in.empty(); ++i) {
    switch (in.below(8)) {
    case 0:
      say_anything(peer, in);
      break;
    case 1: { // one of the honest frames, spoiled and signed
      const test::recorded_frame& f = frames[in.below(static_cast<std::uint32_t>(frames.size()))];
      frame_header h = test::header_of(f.bytes);
      std::vector<std::byte> payload(f.payload().begin(), f.payload().end());
      spoil(h, in);
      fuzz::spoil(payload, in);
      peer.send(lane::data, test::frame(h, payload));
      break;
    }
    case 2: // not even that
      peer.send(lane::data, any_bytes(in, 400));
      break;
    case 3:
      if (!kv)
        kv.emplace(receiver.expect(wanted, to.pages()));
      else if (in.below(8) == 0)
        kv->cancel();
      break;
    default:
      if (next < frames.size())
        peer.send(lane::data, frames[next++].bytes);
    }
    (void)receiver.progress(deadline::passed());
    if (kv)
      (void)kv->poll();
    peer.take();
  }
  if (kv) {
    const status s = kv->wait(focused, deadline::passed());
    FUZZ_CHECK(s.ok() == kv->reached(focused));
    (void)s.message();
    (void)kv->tier();
    (void)kv->unsharp();
  }
  to.prefix_is_untouched(first);
}

void to_a_sender(input& in) {
  const geometry g{
      .dtype = number::bf16, .layers = 1 + in.below(2), .kv_heads = 1, .key_dim = 8, .value_dim = 8};
  const std::uint32_t tokens = 1 + in.below(30);
  memory from(g, tokens);
  for (auto& a : from.arrays)
    fuzz::fill(a, in);
  const auto source = from.arrays;
  const auto chunk = static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(g));
  auto [a, b] = loopback::pair();
  test::scripted peer(std::move(b));
  sender_options options{.chunk_bytes = chunk, .window_bytes = 1 + in.word() % 5000u};
  options.linger = {};
  stream::sender sender(std::move(a), g, options);
  struct shot {
    stream::sender::outgoing handle;
    std::uint32_t layers = 0;
    bool planned = false;
  };
  std::vector<shot> shots;
  if (in.below(8) != 0)
    greet(peer, in, said_by(role::receiver, g, chunk + in.byte()));
  for (int i = 0; i < 200 && !in.empty(); ++i) {
    const auto any_shot = [&] { return &shots[in.below(static_cast<std::uint32_t>(shots.size()))]; };
    switch (in.below(8)) {
    case 0:
      if (shots.size() < 8)
        try {
          shots.push_back({sender.open({in.coin() ? id : in.below(4), tokens})});
        } catch (const std::invalid_argument&) { // the id is in use
        }
      break;
    case 1:
    case 2:
      if (!shots.empty()) {
        shot& s = *any_shot();
        if (s.layers < g.layers) {
          (void)s.handle.put(s.layers, from.view<kv_view>(s.layers));
          ++s.layers;
        } else if (!s.planned && s.handle.status().ok() && s.handle.metrics().at(source_free))
          s.planned = s.handle.plan(budget::of_raw(0.01 * in.below(200))).ok();
      }
      break;
    case 3:
      for (std::uint32_t n = in.below(5); n > 0; --n)
        peer.post(lane::data, frame_header_bytes + chunk);
      break;
    case 4:
      peer.say(
          {.kind = frame_kind::accept, .request = in.coin() ? id : in.below(4), .opening = 1 + in.below(4)});
      break;
    case 5:
      if (in.below(16) == 0)
        peer.send(lane::data, any_bytes(in, 400));
      else if (!shots.empty() && in.below(8) == 0)
        any_shot()->handle.cancel();
      break;
    default:
      say_anything(peer, in);
    }
    (void)sender.progress(deadline::passed());
    peer.take();
  }
  for (shot& s : shots) {
    (void)s.handle.wait(focused, deadline::passed());
    (void)s.handle.status().message();
  }
  FUZZ_CHECK(from.arrays == source);
  for (const test::message& m : peer.data) { // whatever it was told, what it sends is whole
    FUZZ_CHECK(m.size() <= frame_header_bytes + chunk);
    FUZZ_CHECK(check_payload(m, test::header_of(m)).ok());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  watched = true;
  if (in.coin())
    to_a_sender(in);
  else
    to_a_receiver(in);
  watched = false;
  return 0;
}
