// A model of several GB in two shards, one of them beyond 4 GB. Built and run with -DPLANECAST_TEST_LARGE=ON,
// for it takes memory to hold the pages that it reads: ctest --preset cpu -L large -V
#include "sparse_model.hpp"
#include "tiny_llm/engine.hpp"
#include "written_files.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <fstream>
#include <string>

namespace tiny_llm_large_test {

namespace {

using namespace tiny_test;

// Of this process, in MB: RssAnon is what it allocated, RssFile what it has touched of files.
std::uint64_t memory(const std::string& kind) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(kind + ":"))
      return std::stoull(line.substr(kind.size() + 1)) / 1024;
  return 0;
}

TEST_CASE("tiny: a model of many GB is mapped, not copied") {
  const temporary_folder folder("tiny-large");
  const std::uint64_t bytes = write_sparse_model(folder.path(), {}, 31998, 31999);
  CHECK(bytes > std::uint64_t{8} << 30);
  const std::uint64_t before = memory("RssAnon"), files_before = memory("RssFile");
  const auto m = tiny::load(folder.path());
  const std::uint64_t opened = memory("RssAnon"), files_opened = memory("RssFile");
  tiny::engine e(m, {.context = 512, .threads = 2});
  CHECK(e.step(31998) == 31999);
  CHECK(e.step(5) == 0);
  MESSAGE((bytes >> 20), " MB in files; opened: ", opened - before, " MB of its own and ",
          files_opened - files_before, " MB of the files; after two steps: ", memory("RssAnon") - before,
          " MB and ", memory("RssFile") - files_before, " MB");
  CHECK(opened - before < 16);
  CHECK(files_opened - files_before < 64);
  CHECK(memory("RssAnon") - before < 256); // of which the cache has 48
}

} // namespace

} // namespace tiny_llm_large_test
