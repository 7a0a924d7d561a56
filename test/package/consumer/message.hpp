// A message from one end of a link to the other.
#pragma once

#include <planecast/transport/transport.hpp>

#include "verdict.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace pc = planecast;

// Sends a message from one end, receives it at the other, and says how it went.
template <pc::transport Link>
int transfer(const char* name, Link& from, Link& to) {
  std::vector<std::byte> sent(100'000), received(sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i)
    sent[i] = static_cast<std::byte>(i * i >> 7);
  const std::span<const std::byte> whole(sent);
  pc::check(to.receive(pc::lane::data, received, 1));
  pc::check(from.send(pc::lane::data, {&whole, 1}, 2));
  pc::completion arrived, left;
  while (arrived.id == 0 || left.id == 0) { // either end may need to be driven for the other to move
    if (pc::completion done; left.id == 0 && from.poll({&done, 1}, std::chrono::milliseconds(1)) == 1)
      left = done;
    if (pc::completion done; arrived.id == 0 && to.poll({&done, 1}, std::chrono::milliseconds(1)) == 1)
      arrived = done;
  }
  pc::check(left.result);
  pc::check(arrived.result);
  return verdict(name, arrived.bytes, arrived.bytes == sent.size() && received == sent);
}
