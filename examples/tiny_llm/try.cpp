// Goes on with a text, or with token ids: planecast-tiny-llm --help
#include "embedded_model.hpp"
#include "engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr const char* help = "planecast-tiny-llm [options] [TEXT]\n"
                             "Goes on with a text by the most likely token, one after the other.\n"
                             "  --model DIR    config.json and model.safetensors, or shards with their "
                             "index; else the model in this program\n"
                             "  --ids FILE     token ids, separated by spaces or lines, instead of a text, "
                             "and ids printed: for a model whose\n"
                             "                 tokens are not bytes\n"
                             "  --tokens N     so many more (default 80)\n"
                             "  --threads N    (default: all cores)\n";

std::vector<tiny::token_id> ids_of(const std::string& file) {
  std::ifstream in(file);
  if (!in)
    throw std::runtime_error(file + ": cannot be opened");
  std::vector<tiny::token_id> ids;
  for (tiny::token_id id = 0; in >> id;)
    ids.push_back(id);
  if (!in.eof())
    throw std::runtime_error(file + ": holds something that is no token id");
  return ids;
}

int run(const std::vector<std::string>& words) {
  std::filesystem::path directory;
  std::string text, ids;
  unsigned tokens = 80, threads = std::max(1u, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help") {
      std::cout << help;
      return 0;
    }
    if (!word.starts_with("--")) {
      text = word;
      continue;
    }
    if (i + 1 == words.size())
      throw std::runtime_error(word + " needs a value, or is unknown; see --help");
    const std::string& value = words[++i];
    if (word == "--model")
      directory = value;
    else if (word == "--ids")
      ids = value;
    else if (word == "--tokens" || word == "--threads") {
      const int n = std::atoi(value.c_str());
      if (n < 1 || n > 1'000'000 || (word == "--threads" && n > 256))
        throw std::runtime_error(word + " " + value + ": is no such number");
      (word == "--tokens" ? tokens : threads) = static_cast<unsigned>(n);
    } else
      throw std::runtime_error(word + " is unknown; see --help");
  }

  std::vector<tiny::token_id> prompt, said;
  for (const char c : text)
    prompt.push_back(static_cast<unsigned char>(c));
  const auto model = directory.empty() ? tiny::embedded() : tiny::load(directory);
  if (!ids.empty())
    prompt = ids_of(ids);
  else if (!model->config().byte_level())
    throw std::runtime_error("this model's tokens are not bytes: give --ids FILE");
  if (prompt.empty())
    throw std::runtime_error("there is no text to go on with; see --help");
  tiny::engine engine(model, {.context = 2048, .dtype = planecast::number::bf16, .threads = threads});
  tiny::token_id next = engine.prefill(prompt); // a hook tells of each layer's cache
  for (unsigned i = 0; i < tokens; ++i) {
    said.push_back(next);
    next = engine.step(next); // greedy; engine.forward(run, logits) gives the logits
  }
  if (ids.empty())
    std::cout << text << std::string(said.begin(), said.end()) << '\n';
  else
    for (const tiny::token_id id : said)
      std::cout << id << '\n';
  return 0;
}

} // namespace

int main(int count, char** words) {
  try {
    return run({words + 1, words + count});
  } catch (const std::exception& e) {
    std::cerr << "planecast-tiny-llm: " << e.what() << '\n';
    return 1;
  }
}
