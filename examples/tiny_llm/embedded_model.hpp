// The small model that is part of the program: a byte-level Qwen2, see model/ and training/.
#pragma once

#include "model.hpp"

#include <memory>

namespace tiny {

/// The model in the binary, read once.
std::shared_ptr<const model> embedded();

} // namespace tiny
