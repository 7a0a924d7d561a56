#include "planecast/transport/transport.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <type_traits>

namespace transport_transport_test {

namespace pc = planecast;

namespace {

// The least that is a transport. Each near miss below changes one thing of it.
struct minimal {
  pc::status send(pc::lane, pc::gather, pc::op_id) noexcept { return {pc::errc::closed}; }
  pc::status receive(pc::lane, pc::slot, pc::op_id) noexcept { return {pc::errc::closed}; }
  std::size_t poll(std::span<pc::completion>, pc::deadline) noexcept { return 0; }
  void abort() noexcept {}
  pc::transport_limits limits() noexcept { return {}; }
};
static_assert(pc::transport<minimal>);
static_assert(std::is_aggregate_v<pc::completion> && std::is_aggregate_v<pc::transport_limits>);

struct send_may_throw : minimal {
  pc::status send(pc::lane, pc::gather, pc::op_id) { return {}; }
};
struct send_says_bool : minimal {
  bool send(pc::lane, pc::gather, pc::op_id) noexcept { return true; }
};
struct send_has_no_lane : minimal {
  pc::status send(pc::gather, pc::op_id) noexcept { return {}; }
};
struct receive_may_throw : minimal {
  pc::status receive(pc::lane, pc::slot, pc::op_id) { return {}; }
};
struct receive_fills_nothing : minimal {
  pc::status receive(pc::lane, std::span<const std::byte>, pc::op_id) noexcept = delete;
};
struct poll_never_ends : minimal { // a wait has a deadline
  std::size_t poll(std::span<pc::completion>) noexcept { return 0; }
};
struct poll_counts_in_int : minimal {
  int poll(std::span<pc::completion>, pc::deadline) noexcept { return 0; }
};
struct abort_may_throw : minimal {
  void abort() {}
};
struct abort_answers : minimal {
  bool abort() noexcept { return true; }
};
struct send_takes_one_piece : minimal { // a message is gathered from pieces
  pc::status send(pc::lane, std::span<const std::byte>, pc::op_id) noexcept { return {}; }
};
struct poll_may_throw : minimal {
  std::size_t poll(std::span<pc::completion>, pc::deadline) { return 0; }
};
struct limits_may_throw : minimal {
  pc::transport_limits limits() { return {}; }
};
struct limits_are_a_number : minimal {
  std::size_t limits() noexcept { return 0; }
};
struct abort_is_private : minimal {
private:
  void abort() noexcept {}
};
struct no_abort {
  pc::status send(pc::lane, pc::gather, pc::op_id) noexcept { return {}; }
  pc::status receive(pc::lane, pc::slot, pc::op_id) noexcept { return {}; }
  std::size_t poll(std::span<pc::completion>, pc::deadline) noexcept { return 0; }
  pc::transport_limits limits() noexcept { return {}; }
};
struct no_limits {
  pc::status send(pc::lane, pc::gather, pc::op_id) noexcept { return {}; }
  pc::status receive(pc::lane, pc::slot, pc::op_id) noexcept { return {}; }
  std::size_t poll(std::span<pc::completion>, pc::deadline) noexcept { return 0; }
  void abort() noexcept {}
};
struct stays_put : minimal {
  stays_put() = default;
  stays_put(stays_put&&) = delete;
};
static_assert(!pc::transport<send_may_throw>);
static_assert(!pc::transport<send_says_bool>);
static_assert(!pc::transport<send_has_no_lane>);
static_assert(!pc::transport<receive_may_throw>);
static_assert(!pc::transport<receive_fills_nothing>);
static_assert(!pc::transport<poll_never_ends>);
static_assert(!pc::transport<poll_counts_in_int>);
static_assert(!pc::transport<abort_may_throw>);
static_assert(!pc::transport<abort_answers>);
static_assert(!pc::transport<send_takes_one_piece>);
static_assert(!pc::transport<poll_may_throw>);
static_assert(!pc::transport<limits_may_throw>);
static_assert(!pc::transport<limits_are_a_number>);
static_assert(!pc::transport<abort_is_private>);
static_assert(!pc::transport<no_abort>);
static_assert(!pc::transport<no_limits>);
static_assert(!pc::transport<const minimal>);
static_assert(!pc::transport<stays_put>);
static_assert(!pc::transport<std::unique_ptr<minimal>>);
static_assert(!pc::transport<int>);

// More than the least is a model too.
struct constant_limits : minimal {
  static constexpr pc::transport_limits limits() noexcept { return {1, 1, 1}; }
};
static_assert(pc::transport<constant_limits>);

} // namespace

TEST_CASE("transport: a gather is made from spans of any contiguous bytes") {
  const std::byte header[4]{};
  const std::span<const std::byte> pieces[] = {header, std::span(header).first(2)};
  minimal t;
  CHECK(t.send(pc::lane::data, pieces, 1) == pc::errc::closed);
  std::byte room[4];
  CHECK(t.receive(pc::lane::control, room, 2) == pc::errc::closed);
}

TEST_CASE("transport: a completion starts out ok and empty") {
  const pc::completion c;
  CHECK(c.id == 0);
  CHECK(c.result.ok());
  CHECK(c.bytes == 0);
}

} // namespace transport_transport_test
