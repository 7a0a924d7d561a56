// Rows of a vocabulary hold numbers of 16 or 32 bits.
#include "planecast/decode/draft_batch.hpp"

planecast::basic_draft_batch<double> batch;
