// This program once more, as the prefill side.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace demo {

/// Another process, which does not outlive this one. What it says is kept, for this one to say.
class prefill_process {
public:
  /// Given these words, the program's name first.
  explicit prefill_process(std::vector<std::string> all) {
    std::vector<char*> pointers;
    for (std::string& word : all)
      pointers.push_back(word.data());
    pointers.push_back(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
      throw std::runtime_error(std::string("a pipe could not be made: ") + std::strerror(errno));
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      signal(SIGINT, SIG_IGN); // a Ctrl-C is for this process's parent to deal with
      const int nowhere = open("/dev/null", O_WRONLY);
      dup2(nowhere, STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      if (getppid() == parent)
        execv("/proc/self/exe", pointers.data());
      _exit(127);
    }
    close(ends[1]);
    from_ = ends[0];
    if (pid_ < 0) {
      close(from_);
      throw std::runtime_error(std::string("a second process could not be started: ") + std::strerror(errno));
    }
  }
  prefill_process(const prefill_process&) = delete;
  prefill_process& operator=(const prefill_process&) = delete;
  ~prefill_process() {
    if (!result_) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(from_);
  }

  /// Whether it has ended, by then.
  bool ended_within(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
      int result = 0;
      if (!result_ && waitpid(pid_, &result, WNOHANG) == pid_)
        result_ = result;
      if (result_ || std::chrono::steady_clock::now() >= until)
        return result_.has_value();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  /// What went wrong in it; empty if nothing did.
  /// Preconditions: it has ended.
  [[nodiscard]] std::string complaint() {
    if (WIFSIGNALED(*result_))
      return std::string("the prefill process was ended: ") + strsignal(WTERMSIG(*result_));
    if (WEXITSTATUS(*result_) == 0)
      return "";
    std::string said(2000, '\0');
    const ssize_t n = read(from_, said.data(), said.size());
    said.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    while (said.ends_with('\n'))
      said.pop_back();
    const std::string name = "planecast-demo: ";
    return "the prefill process: " + (said.starts_with(name) ? said.substr(name.size()) : said);
  }

private:
  pid_t pid_ = -1;
  int from_ = -1; // what it says
  std::optional<int> result_;
};

} // namespace demo
