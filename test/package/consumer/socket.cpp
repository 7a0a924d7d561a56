// A message over TCP.
#include <planecast/transport/socket.hpp>

#include "message.hpp"

#include <string>
#include <thread>

int main() {
  using namespace std::chrono_literals;
  pc::listener door(0);
  pc::socket from;
  std::thread peer([&] { from = pc::connect("127.0.0.1:" + std::to_string(door.port())); });
  pc::socket to = door.accept(20s);
  peer.join();
  return transfer("TCP", from, to);
}
