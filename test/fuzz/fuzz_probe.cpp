// Any text as a probe's verdict: a status, no crash, nothing taken where it is not ok; and what is taken is
// what was written.
#include "planecast/decode/probe_verdict.hpp"
#include "planecast/policy/precision_policy.hpp"

#include "fuzz/input.hpp"

#include <string>
#include <string_view>

using namespace planecast;
using fuzz::input;

namespace {

using exact = precision_policy<tiers<4, 8, lossless>, keys<per_channel<64>>, planecast::values<per_token>>;
using coarse = precision_policy<tiers<2, 4, 8>, keys<per_token>, planecast::values<per_token>>;

probe_verdict any_verdict(input& in) {
  probe_options o;
  o.trials = 1 + in.below(5);
  o.must_pass = 1 + in.below(o.trials);
  o.attempts = o.trials + in.below(5);
  o.share = in.below(101) / 100.0;
  o.model = in.number<std::uint64_t>();
  const geometry shape{.layers = 1 + in.below(9), .kv_heads = 1, .key_dim = 64, .value_dim = 64};
  const bool ends = in.coin();
  probe_verdict v;
  v.subject = ends ? probe_subject::of<coarse>(shape, o) : probe_subject::of<exact>(shape, o);
  const std::uint32_t trials = in.below(o.trials + 1);
  v.inconclusive = in.below(o.attempts - trials + 1);
  for (const std::uint32_t bits : {2u, 4u, 8u})
    if (bits != 2 || ends)
      v.tiers.push_back({bits, trials, in.below(trials + 1), in.below(trials + 1)});
  return v;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  const probe_verdict v = any_verdict(in);
  const std::string text = v.save();
  probe_verdict loaded;
  FUZZ_CHECK(loaded.load(text, v.subject).ok());
  FUZZ_CHECK(loaded == v);

  // Some of its bytes, or words, become others; with the sum that they then have, or not.
  std::string other = text.substr(0, text.rfind("sum "));
  while (!in.empty()) {
    const std::size_t at = in.word() % (other.size() + 1);
    switch (in.below(5)) {
    case 0:
      other.resize(at);
      break;
    case 1:
      other.insert(at, std::to_string(in.number<std::uint64_t>()));
      break;
    case 2:
      other.insert(at, text, in.word() % text.size(), in.byte());
      break;
    case 3:
      other.erase(at, in.below(16));
      break;
    default:
      if (at < other.size())
        other[at] = static_cast<char>(in.byte());
    }
    if (in.below(4) == 0)
      break;
  }
  if (in.below(8) != 0)
    other += "sum " + std::to_string(name_fingerprint(other)) + '\n';
  for (const std::string_view any :
       {std::string_view(other), std::string_view(reinterpret_cast<const char*>(data), size)}) {
    const probe_verdict before = loaded;
    const status s = loaded.load(any, v.subject);
    (void)s.message();
    FUZZ_CHECK(s.ok() || loaded == before);
    FUZZ_CHECK(!s.ok() || (loaded.save() == any && loaded.subject == v.subject));
    (void)loaded.lowest();
  }
  return 0;
}
