// A message within one process.
#include <planecast/transport/loopback.hpp>

#include "message.hpp"

int main() {
  auto [from, to] = pc::loopback::pair();
  return transfer("loopback", from, to);
}
