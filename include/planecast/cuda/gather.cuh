// Gathers a frame's payload in device memory, with its checksum, for a transport that takes it from there.
#pragma once

#include "planecast/cuda/detail/gather_program.hpp"
#include "planecast/cuda/detail/gather_rows_programs.hpp"
#include "planecast/cuda/detail/launch.cuh"
#include "planecast/cuda/device_gather.hpp"
#include "planecast/status.hpp"

#include <cstdint>
#include <cuda_runtime.h>

namespace planecast::inline v0 {

/// Builds the payload of an upgrade frame out of tiles that cuda::encode has coded: the bytes of
/// coded_tiles::give_upgrade and their checksum, in one pass over them. The host adds the header once it has
/// read the result. It holds nothing; all of it is static.
/// Example:
///
///     std::vector<gather_layer<per_channel<64>, per_token, planes<4, 4, tail>>> all; // of the request
///     for (unsigned l = 0; l < layer_count; ++l)
///       all.push_back({.keys = keys[l], .values = values[l], .tokens = ranked + first, .count = count});
///     const std::uint32_t rows = number_rows(std::span(all)); // then copied to `layers`, in device memory
///     const std::size_t workspace_bytes = gather_workspace_bytes(rows);
///     const gather_target to{frame + frame_header_bytes, room, workspace, result, workspace_bytes};
///     check(device_gather::enqueue(layers, layer_count, rows, plane, to, stream));
///     // once the result has been copied to the host:
///     header.payload_bytes = static_cast<std::uint32_t>(found.bytes);
///     header.payload_checksum = found.checksum;
///     write_header(header, bytes); // to be copied to `frame`
struct device_gather {
  /// One plane of the tokens that the layers list. A payload that has no room is not written: its length is
  /// said. There are blocks of threads for all the room, so that it should not be much more than is needed.
  /// The layers have the same quantizers: a frame of layers of several policies is for the host to build.
  /// Preconditions: `layers` points to 1 or more of them in device memory, which number_rows() has numbered
  /// and counted; the plane is one of Planes'; the stream belongs to the current device, as does all memory.
  /// Errors: `limit` where the workspace is too small: then nothing was enqueued. `device` where CUDA's
  /// runtime refuses; what was enqueued before then runs all the same, and the result means nothing.
  /// Stream behaviour: enqueues three kernels at most, in order. It does not wait, allocate or use another
  /// stream, and can be captured in a graph.
  template <quantizer KeyQuantizer, quantizer ValueQuantizer, class Planes>
  static status enqueue(const gather_layer<KeyQuantizer, ValueQuantizer, Planes>* layers,
                        std::uint32_t layer_count, std::uint32_t rows, std::uint32_t plane,
                        const gather_target& to, cudaStream_t stream) noexcept {
    using rows_program = detail::gather_rows_program<KeyQuantizer, ValueQuantizer, Planes>;
    using detail::gather_program, detail::gather_starts_program;
    if (to.workspace_bytes < gather_workspace_bytes(rows))
      return {errc::limit, "the workspace of a gathered payload", to.workspace_bytes,
              gather_workspace_bytes(rows)};
    cuda_tuning how;
    if (const status s = detail::current_tuning(how); !s)
      return s;
    if (rows > 0)
      if (const status s = detail::launch(rows_program{layers, layer_count, rows, plane, to.workspace},
                                          detail::gather_room(rows).groups,
                                          rows_program::memory_bytes(how.threads), how, stream);
          !s)
        return s;
    if (const status s = detail::launch(gather_starts_program{to, rows}, 1,
                                        gather_starts_program::memory_bytes(how.threads), how, stream);
        !s)
      return s;
    if (rows == 0 || to.room == 0)
      return {};
    return detail::launch(gather_program{to, rows}, gather_program::grid(to.room),
                          gather_program::memory_bytes(how.threads), how, stream);
  }
};

} // namespace planecast::inline v0
