// Slots of tokens, brought to a device once for all layers that share them.
#pragma once

#include "planecast/cache/kv_view.hpp"
#include "planecast/cuda/device.hpp"
#include "planecast/cuda/device_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace planecast::inline v0::detail {

/// Keeps the tables of one request.
template <device Device>
class slot_tables {
public:
  /// The array of a view as kernels take it. What it needs is copied in the queue `code`.
  template <class Byte>
  device_rows<Byte> rows(Device& on, const basic_kv_view<Byte>& view, bool is_value) {
    const auto [first, strides] = view.array_at(is_value);
    return {first,  strides.token, strides.head, strides.block, strides.block_size, slots(on, view.slots()),
            nullptr};
  }

private:
  struct table {
    token_slots of; // shared, so that its address stands for it
    std::shared_ptr<std::byte> staged, here;
  };

  const std::int64_t* slots(Device& on, const token_slots& s) {
    if (s.data() == nullptr)
      return nullptr;
    for (const table& t : tables_)
      if (t.of.data() == s.data())
        return reinterpret_cast<const std::int64_t*>(t.here.get());
    const std::size_t bytes = 8 * std::size_t{s.tokens()};
    tables_.reserve(tables_.size() + 1); // so that nothing fails once the copy is under way
    table made{s, on.pinned(bytes), on.memory(bytes)};
    std::memcpy(made.staged.get(), s.data(), bytes);
    on.to_device(device_queue::code, made.here.get(), made.staged.get(), bytes);
    tables_.push_back(made);
    return reinterpret_cast<const std::int64_t*>(made.here.get());
  }

  std::vector<table> tables_;
};

/// Throws std::invalid_argument for a view that kernels cannot follow.
template <device Device, class Byte>
void check_for_device(const char* call, Device& on, const basic_kv_view<Byte>& view) {
  if (view.value_bytes() == 4)
    throw std::invalid_argument(std::string("planecast: ") + call +
                                ": fp32 values in a device's memory; convert them to what is sent");
  for (const bool is_value : {false, true})
    if (!view.array_at(is_value).strides.contiguous())
      throw std::invalid_argument(std::string("planecast: ") + call +
                                  ": channels that do not lie side by side, in a device's memory");
    else if (!on.reaches(reinterpret_cast<const std::byte*>(view.array_at(is_value).first)))
      throw std::invalid_argument(std::string("planecast: ") + call +
                                  ": memory that the device does not reach");
}

} // namespace planecast::inline v0::detail
