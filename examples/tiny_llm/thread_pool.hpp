// A few threads that share one piece of work at a time.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tiny {

/// Runs work on so many threads, the caller's among them.
class thread_pool {
public:
  explicit thread_pool(unsigned threads) {
    for (unsigned i = 1; i < threads; ++i)
      workers_.emplace_back([this, i] { work(i); });
  }
  ~thread_pool() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    begin_.notify_all();
    for (std::thread& t : workers_)
      t.join();
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  /// Calls part(i) for i in 0 … size() − 1, each on a thread of its own, and returns when all have. What one
  /// of them throws is thrown here then.
  void run(const std::function<void(unsigned)>& part) {
    if (!workers_.empty()) {
      const std::lock_guard lock(mutex_);
      part_ = &part;
      left_ = workers_.size();
      ++round_;
    }
    begin_.notify_all();
    const std::exception_ptr mine = outcome_of(part, 0);
    std::unique_lock lock(mutex_);
    end_.wait(lock, [&] { return left_ == 0; });
    const std::exception_ptr theirs = std::exchange(thrown_, nullptr);
    if (const std::exception_ptr thrown = mine ? mine : theirs)
      std::rethrow_exception(thrown);
  }

private:
  static std::exception_ptr outcome_of(const std::function<void(unsigned)>& part, unsigned i) noexcept {
    try {
      part(i);
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }
  void work(unsigned i) {
    std::unique_lock lock(mutex_);
    for (std::size_t seen = 0;;) {
      begin_.wait(lock, [&] { return done_ || round_ != seen; });
      if (done_)
        return;
      seen = round_;
      const std::function<void(unsigned)>& part = *part_;
      lock.unlock();
      const std::exception_ptr thrown = outcome_of(part, i);
      lock.lock();
      if (thrown)
        thrown_ = thrown;
      if (--left_ == 0)
        end_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(unsigned)>* part_ = nullptr;
  std::exception_ptr thrown_; // by a worker
  std::size_t left_ = 0, round_ = 0;
  bool done_ = false;
  std::vector<std::thread> workers_;
};

} // namespace tiny
