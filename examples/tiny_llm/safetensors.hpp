// The safetensors format: eight bytes that say how long a JSON header is, the header, then the tensors' bytes
// one after the other. Every number of the header is checked before it is used.
#pragma once

#include "json.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiny {

/// A tensor of a file: its bytes lie where the file's do, perhaps unaligned.
struct tensor {
  std::string dtype; // as the file says: BF16, F32, …
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;
};

using tensors = std::map<std::string, tensor, std::less<>>;

namespace detail {

inline constexpr std::uint64_t max_header = std::uint64_t{16}
                                            << 20; // those of large models have a few 100 KB

/// Bytes of a value; 0 if there is no such dtype.
inline std::uint64_t dtype_bytes(std::string_view name) {
  using namespace std::string_view_literals;
  for (const auto& [bytes, names] :
       {std::pair{8u, " F64 I64 U64 "sv}, std::pair{4u, " F32 I32 U32 "sv},
        std::pair{2u, " F16 BF16 I16 U16 "sv}, std::pair{1u, " I8 U8 BOOL F8_E4M3 F8_E5M2 "sv}})
    if (name.find(' ') == name.npos && names.find(" " + std::string(name) + " ") != names.npos)
      return bytes;
  return 0;
}

inline std::uint64_t whole(const json& j, const std::string& what) {
  const json::number* const n = j.as_number();
  if (n == nullptr || !n->whole)
    throw std::runtime_error(what + " is not a whole number");
  return *n->whole;
}

inline tensor read_tensor(const json& entry, std::span<const std::byte> data, const std::string& what) {
  if (entry.as_object() == nullptr)
    throw std::runtime_error(what + " is not described by an object");
  const json *const dtype = entry.find("dtype"), *const shape = entry.find("shape"),
                    *const offsets = entry.find("data_offsets");
  if (dtype == nullptr || dtype->as_string() == nullptr)
    throw std::runtime_error(what + " has no dtype");
  if (shape == nullptr || shape->as_array() == nullptr)
    throw std::runtime_error(what + " has no shape");
  if (offsets == nullptr || offsets->as_array() == nullptr || offsets->as_array()->size() != 2)
    throw std::runtime_error(what + " has no data_offsets of two numbers");
  tensor t{*dtype->as_string(), {}, {}};
  std::uint64_t bytes = dtype_bytes(t.dtype);
  if (bytes == 0)
    throw std::runtime_error(what + " has the unknown dtype " + in_quotes(t.dtype));
  if (shape->as_array()->size() > 8)
    throw std::runtime_error(what + " has more than 8 dimensions");
  for (const json& n : *shape->as_array()) {
    t.shape.push_back(whole(n, what + ": its shape"));
    if (__builtin_mul_overflow(bytes, t.shape.back(), &bytes))
      throw std::runtime_error(what + " is larger than any file");
  }
  const std::uint64_t begin = whole((*offsets->as_array())[0], what + ": its offset"),
                      end = whole((*offsets->as_array())[1], what + ": its offset");
  if (begin > end || end > data.size())
    throw std::runtime_error(what + " ends beyond the file (is it cut off?): data_offsets " +
                             std::to_string(begin) + " to " + std::to_string(end) + ", and there are " +
                             std::to_string(data.size()) + " bytes");
  if (end - begin != bytes)
    throw std::runtime_error(what + " has " + std::to_string(end - begin) + " bytes, its shape " +
                             std::to_string(bytes));
  t.bytes = data.subspan(begin, end - begin);
  return t;
}

} // namespace detail

/// Reads a file's header. As the format asks, tensors lie end to end, and nothing else is in the file.
/// Errors: std::runtime_error, "WHERE: what is wrong".
inline tensors read_safetensors(std::span<const std::byte> file, const std::string& where) {
  const auto wrong = [&](const std::string& what) { return std::runtime_error(where + ": " + what); };
  if (file.size() < 8)
    throw wrong("is too short to be a safetensors file");
  std::uint64_t length = 0;
  for (unsigned i = 0; i < 8; ++i)
    length |= std::to_integer<std::uint64_t>(file[i]) << 8 * i;
  if (length > detail::max_header)
    throw wrong("its header has " + std::to_string(length) + " bytes; is it a safetensors file?");
  if (length > file.size() - 8)
    throw wrong("its header of " + std::to_string(length) + " bytes ends beyond the file");
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, length);
  const json parsed = json::parse(header, where + ": header");
  if (parsed.as_object() == nullptr)
    throw wrong("its header is not an object");
  const std::span<const std::byte> data = file.subspan(8 + length);
  tensors all;
  std::vector<std::pair<std::size_t, std::size_t>> places; // begin, end
  for (const auto& [name, entry] : *parsed.as_object()) {
    if (name == "__metadata__")
      continue;
    tensor t = detail::read_tensor(entry, data, where + ": the tensor " + in_quotes(name));
    const auto begin = static_cast<std::size_t>(t.bytes.data() - data.data());
    places.emplace_back(begin, begin + t.bytes.size());
    all.emplace(name, std::move(t));
  }
  std::sort(places.begin(), places.end());
  std::size_t end = 0;
  for (const auto& [begin, next] : places) {
    if (begin != end)
      throw wrong(begin < end ? "two tensors share bytes" : "there are bytes between two tensors");
    end = next;
  }
  if (end != data.size())
    throw wrong("its tensors end at byte " + std::to_string(end) + " of " + std::to_string(data.size()));
  return all;
}

} // namespace tiny
