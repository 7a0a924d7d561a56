// A transfer over TCP between two threads.
#include <planecast/transport/socket.hpp>

#include "cache.hpp"

#include <thread>

using namespace std::chrono_literals;
using stream = pc::plane_stream<policy, pc::socket>;

int main() {
  const auto cache = some_cache();
  std::vector<layer> arrived(model.layers);

  pc::listener door(0);
  std::thread prefill([&cache, port = door.port()] {
    stream::sender out{pc::connect("127.0.0.1:" + std::to_string(port)), model};
    auto shot = out.open({.id = 1, .tokens = tokens});
    put_all(shot, cache);
    pc::check(shot.wait(pc::focused, 20s));
  });
  stream::receiver in{door.accept(20s), model};
  auto kv = in.expect({.id = 1, .tokens = tokens}, pages_of(arrived));
  pc::check(kv.wait(pc::focused, 20s));
  prefill.join();
  return verdict("TCP", cache, arrived, kv.metrics().data_bytes);
}
