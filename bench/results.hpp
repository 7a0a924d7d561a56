// What a benchmark leaves behind: the usual table, and on request a file that says where and when.
//     planecast-bench-code --json bench/results/code.json --commit $(git rev-parse --short HEAD)
#pragma once

#include "context.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace planecast_bench {

/// Middle of some measurements.
inline double median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// Seconds that a piece of work takes.
template <class F>
double seconds(F&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Prints the table, and writes what the counters say into a file, anew after each benchmark: what has run is
/// there whatever happens to the next. One that fails stands there with its error.
class results : public benchmark::ConsoleReporter {
public:
  /// Takes `--json FILE` and `--commit NAME` out of the arguments.
  results(int& count, char** arguments) : ConsoleReporter(OO_Tabular) {
    int kept = 1;
    for (int i = 1; i < count; ++i) {
      const std::string argument = arguments[i];
      if ((argument == "--json" || argument == "--commit") && i + 1 < count)
        (argument == "--json" ? path_ : commit_) = arguments[++i];
      else
        arguments[kept++] = arguments[i];
    }
    count = kept;
  }

  /// A fact about the machine or the run, beside date, processor, compiler and commit.
  void note(const std::string& name, const std::string& value) {
    notes_.emplace_back(name, value);
    benchmark::AddCustomContext(name, value);
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      std::string line = "    {\"name\": \"" + run.benchmark_name() + "\"";
      if (has_failed(run)) {
        failed_ = true;
        lines_.push_back(line + ", \"error\": " + quoted(error_of(run)) + "}");
        continue;
      }
      line += ", \"cpu_ms\": " + number(run.cpu_accumulated_time * 1e3 /
                                        static_cast<double>(std::max<std::int64_t>(1, run.iterations)));
      for (const auto& [name, counter] : run.counters)
        line += ", \"" + name + "\": " + number(counter.value);
      if (!run.report_label.empty())
        line += ", \"label\": \"" + run.report_label + "\"";
      lines_.push_back(line + "}");
    }
    ConsoleReporter::ReportRuns(runs);
    write();
  }

  /// Returns what main() shall: not 0 where a benchmark failed, or the file could not be written.
  int finish() const { return write() && !failed_ ? 0 : 1; }

private:
  // Whether the file is whole, if one was asked for.
  bool write() const {
    if (path_.empty())
      return true;
    std::ofstream out(path_);
    out << "{\n" << context(commit_);
    for (const auto& [name, value] : notes_)
      out << ",\n  \"" << name << "\": \"" << value << "\"";
    out << ",\n  \"results\": [\n";
    for (std::size_t i = 0; i < lines_.size(); ++i)
      out << lines_[i] << (i + 1 < lines_.size() ? ",\n" : "\n");
    out << "  ]\n}\n";
    return static_cast<bool>(out.flush());
  }
  // Google Benchmark up to 1.7 says so by a bool, later ones by what was skipped, and how.
  template <class R>
  static bool has_failed(const R& run) {
    if constexpr (requires { run.error_occurred; })
      return run.error_occurred;
    else
      return run.skipped != decltype(run.skipped){};
  }
  template <class R>
  static std::string error_of(const R& run) {
    if constexpr (requires { run.error_message; })
      return run.error_message;
    else
      return run.skip_message;
  }
  static std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
  }

  std::string path_, commit_ = "not said";
  std::vector<std::pair<std::string, std::string>> notes_;
  std::vector<std::string> lines_;
  bool failed_ = false;
};

} // namespace planecast_bench
