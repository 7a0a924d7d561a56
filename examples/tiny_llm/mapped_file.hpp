// A file as memory: pages are read when they are touched, and given back when memory is short.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace tiny {

/// A whole file, mapped for reading. Do not make the file shorter meanwhile: what is read beyond its end ends
/// the program.
class mapped_file {
public:
  /// Errors: std::runtime_error that names the file.
  explicit mapped_file(const std::filesystem::path& path) {
    const auto wrong = [&](const char* what) {
      return std::runtime_error(path.string() + ": " + what + ": " + std::strerror(errno));
    };
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe shall not block here
    if (file < 0)
      throw wrong("cannot be opened");
    struct ::stat about {};
    if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
      ::close(file);
      throw std::runtime_error(path.string() + ": is not a file");
    }
    size_ = static_cast<std::size_t>(about.st_size);
    if (size_ != 0) {
      void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (at == MAP_FAILED) {
        const auto error = wrong("cannot be mapped");
        ::close(file);
        throw error;
      }
      at_ = at;
    }
    ::close(file);
  }
  ~mapped_file() {
    if (at_ != nullptr)
      ::munmap(at_, size_);
  }
  mapped_file(mapped_file&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(at_), size_};
  }

private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace tiny
