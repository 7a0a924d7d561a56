// A file that is there when it is complete.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace demo {

/// Written as FILE.new, which becomes FILE when all is in it: what ends before that leaves FILE as it was. A
/// pipe or a device is written as it is.
class result_file {
public:
  /// Looks at once whether it can be written; nothing is done for an empty path.
  /// Errors: here and in write, throws std::runtime_error.
  explicit result_file(const std::string& path) : said_(path) {
    if (path.empty())
      return;
    std::error_code e;
    const std::filesystem::file_status there = std::filesystem::status(path, e);
    if (std::filesystem::is_directory(there))
      cannot();
    path_ = std::filesystem::is_regular_file(there) ? std::filesystem::canonical(path, e) // what a link is to
                                                    : std::filesystem::path(path);
    if (e && std::filesystem::exists(there))
      cannot();
    renamed_ = !std::filesystem::exists(there) || std::filesystem::is_regular_file(there);
    file_.open(written());
    if (!file_)
      cannot();
    begun_ = renamed_;
  }
  result_file(const result_file&) = delete;
  result_file& operator=(const result_file&) = delete;
  ~result_file() {
    std::error_code ignored;
    if (begun_)
      std::filesystem::remove(written(), ignored);
  }

  void write(const std::function<void(std::ostream&)>& what) {
    if (said_.empty())
      return;
    what(file_);
    file_.close();
    std::error_code e;
    if (file_ && renamed_)
      std::filesystem::rename(written(), path_, e);
    if (!file_ || e)
      cannot();
    begun_ = false;
  }

private:
  [[nodiscard]] std::filesystem::path written() const {
    return renamed_ ? std::filesystem::path(path_.string() + ".new") : path_;
  }
  [[noreturn]] void cannot() const { throw std::runtime_error("cannot write " + said_); }

  std::string said_;
  std::filesystem::path path_;
  std::ofstream file_;
  bool renamed_ = false, begun_ = false; // begun: there is a FILE.new
};

} // namespace demo
