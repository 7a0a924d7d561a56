// A group whose scalars would take as much as its values.
#include "planecast/policy/quantizer.hpp"

constexpr auto page = planecast::per_token_groups<8>::page_tokens;
