# What users link: planecast::planecast (plain C++20, the standard library alone) and one target per adapter.

add_library(planecast INTERFACE)
add_library(planecast::planecast ALIAS planecast)
target_compile_features(planecast INTERFACE cxx_std_20)
target_sources(planecast INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/bytes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/conversion.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/fingerprint.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/geometry.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/kv_array.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/kv_strides.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/kv_view.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/layouts.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/number.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/query_view.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/shard.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cache/token_slots.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/arrived_planes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/assembly.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/backend.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/balance.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/caches.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/cell.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/coded_cache.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/coded_tiles.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/error_bound.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/executor.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/item_map.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/ruler.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/scalars.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/spare_limits.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/spread.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/tail.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/tile.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/tile_map.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/code/value_rows.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/config.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_avx2.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_avx512.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_options.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_pass.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_plain.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/attention_sets.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/avx2.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/avx512.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/cpu.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/float_mode.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/lanes_avx2.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/lanes_avx512.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/vector_backend.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/vector_loops.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/vector_rows.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/detail/vector_tails.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/instruction_set.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/key_norm.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/plain.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cpu/self_test.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/attention_tuning.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/accept_plan.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/attention_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/attention_reads.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/attention_shape.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/base_bytes_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/base_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/block_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/block_scalars.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/block_tails.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/columns.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/convert_group.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/cut_programs.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/decode_group.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/decode_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/encode_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/encode_room.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/find_extents.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/gather_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/gather_rows_programs.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/group_finders.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/group_lanes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/group_rulers.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/judge_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/kept_codes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/key_norm_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/launch_coding.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/launch_upgrades.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/listed_plane.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/order_programs.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/pack_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/packed.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/plane_parts.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/race_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/rounded.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/rounds.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/row_fours.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/row_places.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/score_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/score_target.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/show_tile.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/slot_tables.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/softmax_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/spare_memory.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/staging.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/store_program.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/thread_ruler.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/upgrade_frame.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/upgrade_parts.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/upgrade_programs.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/warp_product.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/widened.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/word_bits.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_assembly.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_attention.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_coded_cache.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_gather.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_pages.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_queries.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_ranking.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_rows.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_tiles.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/device_upgrades.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/tuning.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/accept.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/accept_sampled.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/arriving_cache.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/batch_engine.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/check_batch_engine.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/check_engine.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/coarse_cache.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/course.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/course_state.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/draft_batch.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/engine.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/engine_feeds.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/engine_report.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/noise.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/pace.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/philox.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/probe.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/probe_subject.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/probe_verdict.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/race.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/row_number.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/sampled.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/sampled_batch.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/softmax.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/speculate.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/speculate_batch.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/speculated.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/speculation.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/told_text.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/decode/turn.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/attention_mass.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/budget.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/cut.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/falling_order.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/importance.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/kept_tokens.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/key_norm.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/layer_scores.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/layered_importance.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/layered_ranking.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/pays.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/recency.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/upgrades.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/plan/worth.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/planecast.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/policy/layered_policy.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/policy/planes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/policy/precision_policy.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/policy/quantizer.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/policy/tier.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/status.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/announcements.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/arguments.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/arrivals.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/bandwidth.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/buffers.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/checksum.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/connection.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/event.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/frame.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/gathered.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/incoming_request.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/kept_bytes.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/lending.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/messages.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/metrics.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/options.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/outgoing_request.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/outlook.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/plane_stream.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/planning.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/receiver.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/receiving.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/refused.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/request.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/schedule.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/sender.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/sending.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/wait_all.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/stream/what_pays.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/detail/limits.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/faulty.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/loopback.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/shaped.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/transport.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/version.hpp)

# Kernels, for nvcc, beside planecast::planecast. CMake 3.25 does not know nvcc's C++20: the flag is passed to the units
# that it compiles.
add_library(planecast_cuda INTERFACE)
add_library(planecast::cuda ALIAS planecast_cuda)
target_compile_options(planecast_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
target_sources(planecast_cuda INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/accept.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/cuda.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/cuda_device.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/launch.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/detail/launch_rounds.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/gather.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/importance.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/order.cuh
  ${PROJECT_SOURCE_DIR}/include/planecast/cuda/scores_from_device.cuh)

# TCP, on standalone Asio (Debian: libasio-dev) and threads. The headers are installed in any case; who links
# them finds Asio on the machine at hand, and where it is not there, there is no planecast::socket.
find_path(PLANECAST_ASIO_INCLUDE asio.hpp DOC "The directory that holds standalone Asio's asio.hpp")
mark_as_advanced(PLANECAST_ASIO_INCLUDE)
add_library(planecast_socket INTERFACE)
target_link_libraries(planecast_socket INTERFACE planecast Threads::Threads)
# Asio does the same by itself in C++20. No other macro of Asio's may stand here: a program may also hold units that
# use Asio on their own, and they must see the same Asio.
target_compile_definitions(planecast_socket INTERFACE ASIO_STANDALONE)
target_sources(planecast_socket INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/detail/asio.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/detail/tcp_door.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/detail/tcp_greeting.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/detail/tcp_link.hpp
  ${PROJECT_SOURCE_DIR}/include/planecast/transport/socket.hpp)
if(PLANECAST_ASIO_INCLUDE)
  find_package(Threads REQUIRED)
  add_library(planecast::socket ALIAS planecast_socket)
  target_include_directories(planecast_socket SYSTEM INTERFACE $<BUILD_INTERFACE:${PLANECAST_ASIO_INCLUDE}>)
else()
  message(STATUS "planecast: no standalone Asio (Debian: libasio-dev), so there is no planecast::socket")
endif()
