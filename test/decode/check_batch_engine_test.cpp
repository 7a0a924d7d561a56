#include "planecast/decode/check_batch_engine.hpp"

#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace decode_check_batch_engine_test {

namespace {

namespace pc = planecast;
using pc::token_id, pc::engine_promise;

constexpr std::size_t vocab = 50;

// What may be wrong with an engine, each by itself.
enum class wrong {
  nothing,
  company_counts,       // what else is in the pass
  place_counts,         // where in the pass a sequence stands
  long_runs_differ,     // from steps
  neighbour_is_written, // the last token of a long run into the next sequence, too
  neighbour_is_dropped, // truncate() of one ends the next one's, too
  company_moves_on,     // position() of sequence 2 is one too far after a pass with others
  truncate_hides,       // entries stay and count
};

// Sequences whose every choice hangs on all that they hold.
template <bool Invariant = true>
struct many {
  static constexpr bool batch_invariant = Invariant;
  struct sequence {
    std::vector<std::uint64_t> entries;
    std::size_t held = 0, off = 0;
  };
  wrong how = wrong::nothing;
  std::vector<sequence> sequences;

  explicit many(wrong w) : how(w), sequences(4) {
    for (std::size_t i = 0; i < 4; ++i)
      sequences[i] = {std::vector<std::uint64_t>(5 + i, i), 5 + i, 0};
  }
  static void append(sequence& s, std::uint64_t entry) {
    s.entries.push_back(entry);
    s.held = s.entries.size();
  }
  void forward(std::span<const pc::sequence_run> runs) {
    for (std::size_t k = 0; k < runs.size(); ++k) {
      sequence& s = sequences.at(runs[k].sequence);
      for (std::size_t i = 0; i < runs[k].run.size(); ++i) {
        append(s, static_cast<std::uint64_t>(runs[k].run[i]));
        std::uint64_t h = how == wrong::company_counts              ? runs.size()
                          : how == wrong::place_counts              ? k
                          : how == wrong::long_runs_differ && i > 3 ? 1u
                                                                    : 0u;
        for (const std::uint64_t e : s.entries) {
          h = (h ^ e) * 0x9E3779B97F4A7C15u;
          h ^= h >> 29;
        }
        runs[k].next[i] = static_cast<token_id>(h % vocab);
      }
      if (how == wrong::neighbour_is_written && runs[k].run.size() > 3)
        sequences[(runs[k].sequence + 1) % 4].entries.front() ^= 1;
    }
    if (how == wrong::company_moves_on && runs.size() > 2)
      sequences[2].off = 1;
  }
  void truncate(std::size_t n, std::size_t position) {
    sequence& s = sequences.at(n);
    if (how != wrong::truncate_hides)
      s.entries.resize(position);
    s.held = position;
    s.off = 0;
    if (how == wrong::neighbour_is_dropped) {
      sequence& next = sequences[(n + 1) % 4];
      if (next.held > 5 + (n + 1) % 4)
        next.entries.resize(next.held = next.held - 1);
    }
  }
  std::size_t position(std::size_t n) const { return sequences.at(n).held + sequences.at(n).off; }
};
static_assert(pc::batch_engine<many<>>);

template <bool Invariant = true>
pc::engine_report checked(wrong how, std::vector<std::size_t> which = {3, 0, 2}) {
  many<Invariant> e(how);
  return pc::check_engine(e, which, {.vocabulary = vocab});
}
bool fails(const pc::engine_report& report, engine_promise promise) {
  for (const pc::engine_failure& f : report.failures)
    if (f.promise == promise)
      return true;
  return false;
}

TEST_CASE("an engine of many sequences that keeps its promises") {
  const pc::engine_report report = checked(wrong::nothing);
  INFO(report.message());
  CHECK(report.ok());
  CHECK(report.compared >= 3 * 6 * 32);
  CHECK(report.divergences.empty());
  many<> e(wrong::nothing);
  CHECK(pc::check_engine(e, std::vector<std::size_t>{1, 2}, {.others = {3, 4}}).ok());
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(e.position(i) == 5 + i);
}

TEST_CASE("what else is in the pass must not count, if the engine says so") {
  for (const wrong how : {wrong::company_counts, wrong::place_counts, wrong::long_runs_differ}) {
    CAPTURE(static_cast<int>(how));
    const pc::engine_report report = checked(how);
    INFO(report.message());
    CHECK(fails(report, engine_promise::batch_invariance));
    CHECK_FALSE(fails(report, engine_promise::truncate));
    CHECK(report.failures.front().what.find("sequence ") == 0);
    CHECK(report.failures.front().what.find("a pass with others") != std::string::npos);
    const pc::engine_report honest = checked<false>(how);
    INFO(honest.message());
    CHECK(honest.ok());
    CHECK_FALSE(honest.divergences.empty());
  }
}

TEST_CASE("sequences must leave each other alone, and stand where they should") {
  CHECK_FALSE(checked(wrong::neighbour_is_written).ok());
  CHECK_FALSE(checked<false>(wrong::neighbour_is_written).ok());
  CHECK(fails(checked(wrong::neighbour_is_dropped), engine_promise::position));
  const pc::engine_report report = checked(wrong::company_moves_on, {0, 1, 2, 3});
  CHECK(fails(report, engine_promise::position));
  CHECK(report.message().find("sequence 0: position(2) is 8 after forward(), not 7") != std::string::npos);
  CHECK_FALSE(checked(wrong::truncate_hides).ok());
}

TEST_CASE("sequences that make no sense") {
  CHECK_THROWS_AS((void)checked(wrong::nothing, {}), std::invalid_argument);
  CHECK_THROWS_AS((void)checked(wrong::nothing, {1}), std::invalid_argument);
  CHECK_THROWS_AS((void)checked(wrong::nothing, {1, 2, 1}), std::invalid_argument);
  many<> e(wrong::nothing);
  CHECK_THROWS_AS((void)pc::check_engine(e, std::vector<std::size_t>{0, 1}, {}), std::invalid_argument);
}

} // namespace

} // namespace decode_check_batch_engine_test
