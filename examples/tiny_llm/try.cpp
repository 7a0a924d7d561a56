// Goes on with a text, or with token ids: planecast-tiny-llm --help
#include "embedded_model.hpp"
#include "engine.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr const char* help = "planecast-tiny-llm [options] [TEXT]\n"
                             "Goes on with a text by the most likely token, one after the other.\n"
                             "  --model DIR    config.json and model.safetensors, or shards with their "
                             "index; else the model in this program\n"
                             "  --ids FILE     token ids, separated by spaces or lines, instead of a text, "
                             "and ids printed: for a model whose\n"
                             "                 tokens are not bytes\n"
                             "  --tokens N     so many more, at most (default 80)\n"
                             "  --ignore-eos   go on behind a token that ends a text by config.json\n"
                             "  --context N    text and what follows have at most so many tokens (default: "
                             "as many as the model is made for,\n"
                             "                 if their cache fits half of the memory)\n"
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

// How long a sequence may become. `asked`: by the user; 0 if not.
std::uint32_t longest(const tiny::model_config& c, std::uint32_t asked) {
  if (asked > c.context)
    throw std::runtime_error("--context " + std::to_string(asked) + ": the model is made for " +
                             std::to_string(c.context) + " tokens");
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (asked != 0 || pages <= 0 || page <= 0)
    return asked != 0 ? asked : c.context;
  const std::uint64_t half = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) / 2;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(half / c.geometry(planecast::number::bf16).raw_bytes(1), 1, c.context));
}

int run(const std::vector<std::string>& words) {
  std::filesystem::path directory;
  std::string text, ids;
  bool ignore_eos = false;
  unsigned tokens = 80, context = 0, threads = std::max(1u, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help") {
      std::cout << help;
      return 0;
    }
    if (word == "--ignore-eos") {
      ignore_eos = true;
      continue;
    }
    if (!word.starts_with("--")) {
      if (!text.empty())
        throw std::runtime_error("\"" + word + "\" is a second text; put quotes around one of several words");
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
    else if (word == "--tokens" || word == "--threads" || word == "--context") {
      int n = 0;
      const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), n);
      if (bad != std::errc{} || end != value.data() + value.size() || n < 1 || n > 1 << 28 ||
          (word == "--threads" && n > 256))
        throw std::runtime_error(word + " " + value + ": is no such number");
      (word == "--tokens" ? tokens : word == "--threads" ? threads : context) = static_cast<unsigned>(n);
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
  const std::uint32_t most = longest(model->config(), context);
  if (prompt.size() > most)
    throw std::runtime_error("the text has " + std::to_string(prompt.size()) + " tokens, and the context " +
                             std::to_string(most) + "; see --context");
  const auto room = static_cast<std::uint32_t>(std::min<std::size_t>(most, prompt.size() + tokens));
  const auto ends = [&](tiny::token_id t) {
    return !ignore_eos && std::ranges::count(model->config().end_tokens, static_cast<std::uint32_t>(t)) != 0;
  };
  tiny::engine engine(model, {.context = room, .dtype = planecast::number::bf16, .threads = threads});
  said = {engine.prefill(prompt)}; // a hook tells of each layer's cache
  while (said.size() < tokens && engine.position() < engine.context() && !ends(said.back()))
    said.push_back(engine.step(said.back())); // greedy; engine.forward(run, logits) gives the logits
  if (ids.empty())
    std::cout << text << std::string(said.begin(), said.end()) << '\n';
  else
    for (const tiny::token_id id : said)
      std::cout << id << '\n';
  if (said.size() < tokens && !ends(said.back()))
    std::cerr << "planecast-tiny-llm: the context of " << most << " tokens is full\n";
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
