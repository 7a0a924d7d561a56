// A unit that uses Asio and knows nothing of planecast. It stops the program it is linked to unless its timer
// ticks.
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>

namespace {

bool ticks() {
  asio::io_context io;
  asio::steady_timer timer(io, std::chrono::milliseconds(1));
  bool ticked = false;
  timer.async_wait([&ticked](asio::error_code e) { ticked = !e; });
  io.run();
  return ticked;
}

[[maybe_unused]] const bool ticked = ticks() || (std::abort(), false);

} // namespace
