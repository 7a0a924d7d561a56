// Whether a sender that is left to decide codes a cache into planes.
#pragma once

#include "planecast/cache/number.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/plan/pays.hpp"
#include "planecast/stream/options.hpp"

#include <optional>

namespace planecast::inline v0::detail {

/// Raw if coding costs more than it saves, layer by layer, and planes as long as that is not known: the
/// link's rate, and that of coding, both in bytes a second.
inline coding what_pays(const sender_options& options, number dtype, std::optional<double> crosses,
                        std::optional<double> encodes) noexcept {
  if (!crosses || !encodes)
    return coding::planes;
  const double decodes = options.decode_rate > 0 ? options.decode_rate : *encodes;
  const double share = options.coded_share > 0 ? options.coded_share : usual_share(dtype);
  return pays_pipelined({*encodes, decodes, *crosses, share}) ? coding::planes : coding::raw;
}

} // namespace planecast::inline v0::detail
