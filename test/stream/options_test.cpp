#include "planecast/stream/options.hpp"

#include "support/cache_case.hpp"
#include "support/stream_pair.hpp"

#include <doctest/doctest.h>
#include <functional>

namespace stream_options_test {

using namespace planecast;

TEST_CASE("options: the defaults of the two ends fit each other") {
  const sender_options sender;
  const receiver_options receiver;
  CHECK(sender.chunk_bytes == 0); // each end chooses, and so that they agree: see messages_test
  CHECK(receiver.chunk_bytes == 0);
  CHECK(receiver.slots >= 2); // one is filled while another is looked at
  CHECK(receiver.slots <= receiver.staged_frames);
  CHECK(sender.linger.count() > 0);
  CHECK(receiver.linger.count() > 0);
  CHECK(plan_options{}.until == lossless);
  CHECK(sender.carries == shard{}); // all of the model
  CHECK(receiver.carries == sender.carries);
}

TEST_CASE("options: threads of the caller's code and decode, and the cache arrives bit for bit") {
  test::dice dice(1);
  const geometry shape{number::bf16, 2, 3, 128, 128};
  constexpr std::uint32_t tokens = 900;
  std::size_t coded = 0, decoded = 0; // pieces
  const auto backwards = [](std::size_t& pieces) -> executor {
    return [&pieces](std::size_t count, const std::function<void(std::size_t)>& piece) {
      pieces += count;
      while (count-- > 0)
        piece(count);
    };
  };
  test::stream_pair streams(shape, {.threads = backwards(coded)}, {.threads = backwards(decoded)});
  test::cache_memory source(shape, tokens, dice), target(shape, tokens, dice);
  test::fill(source, shape.dtype, dice);
  auto kv = streams.in.expect({.id = 1, .tokens = tokens}, target.pages());
  auto shot = streams.out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < shape.layers; ++l)
    CHECK(shot.put(l, source.view<kv_view>(l)).ok());
  CHECK(coded > shape.layers);
  CHECK(shot.plan(budget::base()).ok());
  CHECK(streams.run(kv, [&] { return kv.tier() == 2; }));
  CHECK(decoded > shape.layers);
  CHECK(target.received(source));
}

} // namespace stream_options_test
