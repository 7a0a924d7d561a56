// Writes the golden exchange: planecast-stream-golden-write FOLDER
#include "stream/golden_exchange.hpp"

#include <fstream>
#include <iostream>
#include <string>

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: planecast-stream-golden-write FOLDER\n";
    return 2;
  }
  const test::golden_exchange exchange;
  if (!exchange.result.ok()) {
    std::cerr << exchange.result.message() << "\n";
    return 1;
  }
  std::ofstream out(std::string(arguments[1]) + "/exchange.txt");
  exchange.write(out);
  std::cout << exchange.sender_data.size() << " data, " << exchange.sender_control.size() << " + "
            << exchange.receiver_control.size() << " control messages\n";
  return out.good() ? 0 : 1;
}
