#include "planecast/stream/lending.hpp"
#include "planecast/transport/loopback.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <doctest/doctest.h>
#include <set>
#include <utility>
#include <vector>

namespace stream_lending_test {

using namespace planecast;
using detail::buffer;
using detail::lending;
using detail::operation;

namespace {

struct call {
  bool send = false;
  lane on = lane::control;
  op_id id = 0;
  const std::byte* first = nullptr;
  std::size_t length = 0, pieces = 1;
  friend bool operator==(const call&, const call&) = default;
};

/// Writes down what it is asked for, and does it when it likes.
class noting {
public:
  explicit noting(std::vector<call>& calls, status answer = {}) : calls_(&calls), answer_(answer) {}

  status send(lane l, gather g, op_id id) noexcept {
    calls_->push_back({true, l, id, g.front().data(), g.front().size(), g.size()});
    return answer_;
  }
  status receive(lane l, planecast::slot s, op_id id) noexcept {
    calls_->push_back({false, l, id, s.data(), s.size()});
    return answer_;
  }
  std::size_t poll(std::span<completion>, deadline) noexcept { return 0; }
  void abort() noexcept {}
  transport_limits limits() noexcept { return {1 << 20, 1, 16}; }
  void say(status answer) noexcept { answer_ = answer; }

private:
  std::vector<call>* calls_;
  status answer_;
};
static_assert(transport<noting>);

buffer memory(std::size_t size) {
  return {std::make_unique<std::byte[]>(size), size};
}

/// Writes to the slot that it borrows for as long as it lives, and when it ends.
class scribbling {
public:
  scribbling() = default;
  scribbling(scribbling&& other) noexcept : slot_(std::exchange(other.slot_, {})) {}
  scribbling& operator=(scribbling&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~scribbling() { std::ranges::fill(slot_, std::byte{1}); }

  status send(lane, gather, op_id) noexcept { return {}; }
  status receive(lane, planecast::slot s, op_id) noexcept {
    slot_ = s;
    return {};
  }
  std::size_t poll(std::span<completion>, deadline) noexcept { return 0; }
  void abort() noexcept {}
  transport_limits limits() noexcept { return {1 << 20, 1, 16}; }

private:
  planecast::slot slot_;
};

} // namespace

TEST_CASE("lending: each operation goes to its lane, one way, with its part of the memory") {
  std::vector<call> calls;
  lending<noting> lent{noting(calls)};
  struct {
    operation what;
    bool send;
    lane on;
  } const all[] = {{operation::control_send, true, lane::control},
                   {operation::data_send, true, lane::data},
                   {operation::control_slot, false, lane::control},
                   {operation::data_slot, false, lane::data}};
  for (const auto& a : all) {
    calls.clear();
    buffer b = memory(100);
    const std::byte* const at = b.bytes.get();
    CHECK(lent.start(a.what, b, 60).ok());
    CHECK(b.bytes == nullptr); // lent
    REQUIRE(calls.size() == 1);
    CHECK(calls[0] == call{a.send, a.on, calls[0].id, at, 60, 1});
    const auto loan = lent.end(calls[0].id);
    CHECK(loan.what == a.what);
    CHECK(loan.memory.bytes.get() == at);
    CHECK(loan.memory.size == 100);
    CHECK(loan.length == 60);
  }
}

TEST_CASE("lending: what the link does not take is still the caller's") {
  std::vector<call> calls;
  lending<noting> lent{noting(calls)};
  lent.link().say({errc::limit, "full"});
  buffer b = memory(10);
  const std::byte* const at = b.bytes.get();
  CHECK(lent.start(operation::data_send, b, 10) == errc::limit);
  CHECK(b.bytes.get() == at);
  CHECK(b.size == 10);
  CHECK(lent.end(calls.back().id).what == operation::none);
  lent.link().say({});
  CHECK(lent.start(operation::data_send, b, 10).ok());
  CHECK(lent.end(calls.back().id).memory.bytes.get() == at);
}

TEST_CASE("lending: numbers are unique among what is under way, and few") {
  std::vector<call> calls;
  lending<noting> lent{noting(calls)};
  std::set<op_id> under_way;
  op_id most = 0;
  for (int i = 0; i < 1000; ++i) {
    buffer b = memory(8);
    REQUIRE(lent.start(i % 2 == 0 ? operation::data_slot : operation::control_send, b, 8).ok());
    CHECK(under_way.insert(calls.back().id).second);
    most = std::max(most, calls.back().id);
    if (under_way.size() == 7) {
      const auto ended = std::next(under_way.begin(), i % 7);
      CHECK(lent.end(*ended).what != operation::none);
      under_way.erase(ended);
    }
  }
  CHECK(most < 16);
}

TEST_CASE("lending: an operation that is not under way is none") {
  std::vector<call> calls;
  lending<noting> lent{noting(calls)};
  for (const op_id id : {op_id{0}, op_id{5}, ~op_id{0}})
    CHECK(lent.end(id).what == operation::none);
  buffer b = memory(8);
  CHECK(lent.start(operation::data_slot, b, 8).ok());
  CHECK(lent.end(calls.back().id + 1).what == operation::none);
  CHECK(lent.end(calls.back().id).what == operation::data_slot);
  const auto twice = lent.end(calls.back().id);
  CHECK(twice.what == operation::none);
  CHECK(twice.memory.bytes == nullptr);
}

TEST_CASE("lending: memory is there for as long as the link is") {
  // An address sanitizer sees if it is not.
  lending<scribbling> lent{scribbling()};
  buffer b = memory(4096);
  CHECK(lent.start(operation::data_slot, b, 4096).ok());
}

TEST_CASE("lending: over a link that moves bytes") {
  auto [a, b] = loopback::pair();
  lending<loopback> from(std::move(a)), to(std::move(b));
  buffer out = memory(50), in = memory(80);
  std::ranges::fill(out.room(), std::byte{7});
  CHECK(to.start(operation::data_slot, in, 80).ok());
  CHECK(from.start(operation::data_send, out, 30).ok());
  std::array<completion, 4> done;
  REQUIRE(to.link().poll(done, deadline::passed()) == 1);
  CHECK(done[0].bytes == 30);
  const auto loan = to.end(done[0].id);
  REQUIRE(loan.what == operation::data_slot);
  CHECK(std::ranges::count(loan.memory.room().first(30), std::byte{7}) == 30);
  CHECK(std::ranges::count(loan.memory.room(), std::byte{7}) == 30);
  REQUIRE(from.link().poll(done, deadline::passed()) == 1);
  CHECK(from.end(done[0].id).what == operation::data_send);
}

} // namespace stream_lending_test
