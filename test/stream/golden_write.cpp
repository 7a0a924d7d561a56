// Writes the golden exchanges: planecast-stream-golden-write FOLDER
#include "stream/golden_exchange.hpp"

#include <fstream>
#include <iostream>
#include <string>

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: planecast-stream-golden-write FOLDER\n";
    return 2;
  }
  for (const test::golden_case& c : test::golden_cases) {
    const test::golden_exchange exchange(c);
    if (!exchange.result.ok()) {
      std::cerr << c.file << ": " << exchange.result.message() << "\n";
      return 1;
    }
    std::ofstream out(std::string(arguments[1]) + "/" + c.file);
    exchange.write(out);
    std::cout << c.file << ": " << exchange.sender_data.size() << " data, " << exchange.sender_control.size()
              << " + " << exchange.receiver_control.size() << " control messages\n";
    if (!out.good())
      return 1;
  }
  return 0;
}
