// A program's own new and delete, on malloc() and free(): of a program that links own_new.cpp, which is a
// unit of its own lest the compiler see through one half of a pair.
#pragma once

#include <cstddef>

namespace test {

/// Called before each new; may throw std::bad_alloc. The program defines it.
void before_new(std::size_t bytes);

} // namespace test
