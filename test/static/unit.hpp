// What a unit compiled by one compiler tells about the library's types, to be compared with another's.
// Everything here has internal linkage: if two units shared it, one would be compared with itself.
#pragma once

#include "planecast_all_headers.hpp" // made by CMake: every header of planecast::planecast
#if defined(PLANECAST_TEST_SOCKET)
#include "planecast_socket_headers.hpp" // and of planecast::socket
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace planecast_test {

/// Size and alignment of a type, and where its members begin if it is an aggregate.
struct type_layout {
  static constexpr std::size_t most_members = 20;
  const char* name;
  std::size_t size, alignment;
  std::size_t members = 0;
  std::array<std::size_t, most_members> offsets{};
};

namespace {

template <class T>
type_layout layout_of(const char* name) {
  static_assert(!std::is_aggregate_v<T> || std::is_empty_v<T>, "name the members of an aggregate");
  return {name, sizeof(T), alignof(T)};
}

template <class T, class Offsets>
type_layout layout_of(const char* name, Offsets offsets) {
  static_assert(std::is_aggregate_v<T>);
  const T object{};
  type_layout layout{name, sizeof(T), alignof(T)};
  offsets(object, [&](const auto&... members) {
    static_assert(sizeof...(members) <= type_layout::most_members);
    const auto* const begin = reinterpret_cast<const char*>(&object);
    ((layout.offsets[layout.members++] =
          static_cast<std::size_t>(reinterpret_cast<const char*>(&members) - begin)),
     ...);
  });
  return layout;
}

namespace pc = planecast;
using standard_policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                             pc::values<pc::per_token>>;

// A device of whose functions none is called.
struct some_device {
  using mark = int;
  using order = void*;
  static std::shared_ptr<std::byte> memory(std::size_t) { return {}; }
  static std::shared_ptr<std::byte> pinned(std::size_t) { return {}; }
  static void to_device(pc::device_queue, std::byte*, const std::byte*, std::size_t) {}
  static void to_host(pc::device_queue, std::byte*, const std::byte*, std::size_t) {}
  static mark set(pc::device_queue) { return 0; }
  static bool passed(mark) { return true; }
  static void wait(mark) {}
  static void follow(pc::device_queue, mark) {}
  static void after(pc::device_queue, order) {}
  static void finish(pc::device_queue) noexcept {}
  static bool reaches(const std::byte*) { return true; }
  static pc::cuda_tuning tuning() { return {}; }
};

// An engine that is not asked for anything.
struct some_engine {
  static constexpr bool batch_invariant = true;
  void forward(std::span<const pc::token_id>, std::span<float>) {}
  void truncate(std::size_t) {}
  std::size_t position() const { return 0; }
  std::size_t vocabulary() const { return 1; }
};
struct some_batch_engine {
  static constexpr bool batch_invariant = true;
  void forward(std::span<const pc::sequence_rows>) {}
  void truncate(std::size_t, std::size_t) {}
  std::size_t position(std::size_t) const { return 0; }
  std::size_t vocabulary() const { return 1; }
};

// A type that is no aggregate, or an aggregate with all its members: a structured binding takes no fewer, so
// that a new member cannot be forgotten. A new type cannot be either: public_types.cpp reads this list.
#define PLANECAST_TEST_TYPE(...) layout_of<__VA_ARGS__>(#__VA_ARGS__)
#define PLANECAST_TEST_MEMBERS(...) __VA_ARGS__
#define PLANECAST_TEST_AGGREGATE(MEMBERS, ...)                                                               \
  layout_of<__VA_ARGS__>(#__VA_ARGS__, [](const auto& object, auto use) {                                    \
    const auto& [PLANECAST_TEST_MEMBERS MEMBERS] = object;                                                   \
    use(PLANECAST_TEST_MEMBERS MEMBERS);                                                                     \
  })

// clang-format off
auto all_layouts() {
  return std::array{
      PLANECAST_TEST_TYPE(pc::errc),
      PLANECAST_TEST_AGGREGATE((code, about, here, there), pc::status),
      PLANECAST_TEST_TYPE(pc::error),
      PLANECAST_TEST_TYPE(pc::deadline),

      PLANECAST_TEST_TYPE(pc::number),
      PLANECAST_TEST_TYPE(pc::bf16),
      PLANECAST_TEST_TYPE(pc::fp16),
      PLANECAST_TEST_TYPE(pc::e4m3),
      PLANECAST_TEST_TYPE(pc::e5m2),
      PLANECAST_TEST_TYPE(pc::fingerprint),
      PLANECAST_TEST_AGGREGATE((dtype, layers, kv_heads, key_dim, value_dim, kv_heads_by_layer), pc::geometry),
      PLANECAST_TEST_AGGREGATE((layer_first, layer_count, rank, ranks), pc::shard),
      PLANECAST_TEST_AGGREGATE((token, head, block, block_size, pack, channel), pc::kv_strides),
      PLANECAST_TEST_TYPE(pc::axis),
      PLANECAST_TEST_AGGREGATE((layers, blocks, block_size, heads, dim, pack), pc::kv_extents),
      PLANECAST_TEST_AGGREGATE((keys, values, sent_keys, sent_values), pc::kv_scales),
      PLANECAST_TEST_TYPE(pc::kv_layout),
      PLANECAST_TEST_AGGREGATE((rows, heads, dim, row, head), pc::query_extents),
      PLANECAST_TEST_TYPE(pc::query_view),
      PLANECAST_TEST_TYPE(pc::token_slots),
      PLANECAST_TEST_TYPE(pc::basic_kv_view<const std::byte>),
      PLANECAST_TEST_TYPE(pc::basic_kv_view<std::byte>),

      PLANECAST_TEST_TYPE(pc::tiers<4, 8, pc::lossless>),
      PLANECAST_TEST_TYPE(pc::planes<4, 4, pc::tail>),
      PLANECAST_TEST_AGGREGATE((tokens, dim), pc::tile_shape),
      PLANECAST_TEST_TYPE(pc::per_token),
      PLANECAST_TEST_TYPE(pc::per_channel<64>),
      PLANECAST_TEST_TYPE(pc::per_channel_groups<64, 32>),
      PLANECAST_TEST_TYPE(pc::per_token_groups<32>),
      PLANECAST_TEST_TYPE(pc::balanced),
      PLANECAST_TEST_TYPE(pc::verbatim),
      PLANECAST_TEST_TYPE(pc::edges<1, 1, standard_policy>),
      PLANECAST_TEST_TYPE(pc::layered_policy<standard_policy, pc::edges<1, 1, standard_policy>>),
      PLANECAST_TEST_TYPE(pc::keys<pc::per_token>),
      PLANECAST_TEST_TYPE(pc::values<pc::per_token>),
      PLANECAST_TEST_TYPE(pc::precision_policy<pc::tiers<4>, pc::keys<pc::per_token>, pc::values<pc::per_token>>),

      PLANECAST_TEST_AGGREGATE((low, step), pc::cells<pc::bf16, 8>),
      PLANECAST_TEST_AGGREGATE((least, greatest), pc::cells<pc::bf16, 8>::extent),
      PLANECAST_TEST_AGGREGATE((low, step, begin), pc::ruler<pc::bf16, 8>),
      PLANECAST_TEST_AGGREGATE((low, step, exponent), pc::balanced_cells<pc::bf16, 8>),
      PLANECAST_TEST_AGGREGATE((least, greatest, not_zero), pc::balanced_cells<pc::bf16, 8>::extent),
      PLANECAST_TEST_AGGREGATE((shape, value_bytes), pc::tile_layout<pc::per_token, pc::planes<4, 4, pc::tail>>),
      PLANECAST_TEST_AGGREGATE((bytes, stored, unused), pc::encoded_tile),
      PLANECAST_TEST_AGGREGATE((head, is_value, page), pc::tile_id),
      PLANECAST_TEST_AGGREGATE((page, row), pc::tile_row),
      PLANECAST_TEST_AGGREGATE((shape, tokens, first, layer_first, model_layers), pc::tile_map<standard_policy>),
      PLANECAST_TEST_AGGREGATE((layers, tokens, first), pc::item_map),
      PLANECAST_TEST_TYPE(pc::coding),
      PLANECAST_TEST_AGGREGATE((device_bytes, pinned_bytes), pc::spare_limits),
      PLANECAST_TEST_AGGREGATE((at, bytes, stored), pc::coded_layer::place),
      PLANECAST_TEST_AGGREGATE((bytes, used, tiles, tail_ends), pc::coded_layer),
      PLANECAST_TEST_TYPE(pc::coded_tiles<standard_policy>),
      PLANECAST_TEST_TYPE(pc::coded_cache<standard_policy, pc::cpu>),
      PLANECAST_TEST_TYPE(pc::arrived_planes<standard_policy>),
      PLANECAST_TEST_TYPE(pc::assembly<standard_policy, pc::cpu>),
      PLANECAST_TEST_TYPE(pc::stores),
      PLANECAST_TEST_AGGREGATE((first, step, how), pc::value_rows<const std::byte>),
      PLANECAST_TEST_AGGREGATE((first, step, tokens), pc::basic_kv_view<std::byte>::run),
      PLANECAST_TEST_AGGREGATE((first, strides), pc::basic_kv_view<std::byte>::array_of),
      PLANECAST_TEST_TYPE(pc::cpu),
      PLANECAST_TEST_TYPE(pc::plain_cpu),
      PLANECAST_TEST_TYPE(pc::instruction_set),
      PLANECAST_TEST_TYPE(pc::score_reduction),
      PLANECAST_TEST_TYPE(pc::score_pooling),
      PLANECAST_TEST_AGGREGATE((window_size, scale, head_reduction, window_reduction, layer_reduction, kernel_size,
                                pooling), pc::attention_options),

      PLANECAST_TEST_TYPE(pc::given_scores),
      PLANECAST_TEST_TYPE(pc::equal_scores),
      PLANECAST_TEST_TYPE(pc::given_layer_scores),
      PLANECAST_TEST_TYPE(pc::across_layers<pc::given_layer_scores>),
      PLANECAST_TEST_TYPE(pc::basic_attention_mass<pc::detail::added_layers>),
      PLANECAST_TEST_TYPE(pc::key_norm_order),
      PLANECAST_TEST_TYPE(pc::basic_key_norm<pc::detail::kept_layers>),
      PLANECAST_TEST_TYPE(pc::position_order),
      PLANECAST_TEST_TYPE(pc::by_position),
      PLANECAST_TEST_TYPE(pc::recency_decay<pc::given_scores>),
      PLANECAST_TEST_AGGREGATE((sinks, recent), pc::pinned_tokens),
      PLANECAST_TEST_AGGREGATE((tokens, pinned), pc::ranking),
      PLANECAST_TEST_TYPE(pc::kept_tokens),
      PLANECAST_TEST_AGGREGATE((plane, first, count), pc::upgrade_run),
      PLANECAST_TEST_AGGREGATE((items, runs, per_layer), pc::upgrade_order),
      PLANECAST_TEST_AGGREGATE((items, scores, pinned), pc::scored_items),
      PLANECAST_TEST_AGGREGATE((bytes_per_second, ahead, sent), pc::link_load),
      PLANECAST_TEST_TYPE(pc::budget),
      PLANECAST_TEST_AGGREGATE((encode, decode, link, share), pc::coding_costs),

      PLANECAST_TEST_TYPE(pc::lane),
      PLANECAST_TEST_AGGREGATE((id, result, bytes), pc::completion),
      PLANECAST_TEST_AGGREGATE((message_bytes, pieces, operations), pc::transport_limits),
      PLANECAST_TEST_TYPE(pc::loopback),
      PLANECAST_TEST_AGGREGATE((bytes_per_second, latency), pc::link_shape),
      PLANECAST_TEST_TYPE(pc::shaped<pc::loopback>),
      PLANECAST_TEST_TYPE(pc::fault::kind),
      PLANECAST_TEST_AGGREGATE((lane, message, what, amount, time), pc::fault),
      PLANECAST_TEST_AGGREGATE((faults, reorder_window, seed), pc::faulty_options),
      PLANECAST_TEST_TYPE(pc::faulty<pc::loopback>),
#if defined(PLANECAST_TEST_SOCKET)
      PLANECAST_TEST_AGGREGATE((key, address, unencrypted, message_bytes, operations, send_buffer, receive_buffer,
                                congestion_control), pc::socket_options),
      PLANECAST_TEST_TYPE(pc::socket),
      PLANECAST_TEST_TYPE(pc::listener),
#endif

      PLANECAST_TEST_TYPE(pc::frame_kind),
      PLANECAST_TEST_TYPE(pc::refusal),
      PLANECAST_TEST_AGGREGATE((kind, plane, request, sequence, first, count, layer_first, layer_count, payload_bytes,
                                payload_checksum, opening), pc::frame_header),
      PLANECAST_TEST_TYPE(pc::frame_writer),
      PLANECAST_TEST_TYPE(pc::checksum),
      PLANECAST_TEST_TYPE(pc::role),
      PLANECAST_TEST_TYPE(pc::order_scope),
      PLANECAST_TEST_AGGREGATE((who, chunk_bytes, model, carried, page_tokens, planes, policy), pc::hello),
      PLANECAST_TEST_AGGREGATE((order, light_upgrades), pc::upgrade_plan),
      PLANECAST_TEST_AGGREGATE((id, tokens, first, how, dropped, kept), pc::request),
      PLANECAST_TEST_AGGREGATE((carries, chunk_bytes, window_bytes, linger, link_rate, encode_rate, decode_rate,
                                coded_share, threads, spare), pc::sender_options),
      PLANECAST_TEST_AGGREGATE((carries, chunk_bytes, slots, staged_frames, unattended, unexpected_requests,
                                code_bytes, linger, threads, spare),
                               pc::receiver_options),
      PLANECAST_TEST_TYPE(pc::plan_order),
      PLANECAST_TEST_AGGREGATE((pinned, until, order, window_bytes), pc::plan_options),
      PLANECAST_TEST_TYPE(pc::event),
      PLANECAST_TEST_AGGREGATE((layer, page), pc::layer_page),
      PLANECAST_TEST_AGGREGATE((raw_bytes, base_bytes, light_bytes, data_bytes, bytes_by_plane, stored_tiles, dropped, coded_as, opened,
                                first_byte, last_byte, events), pc::request_metrics),
      PLANECAST_TEST_AGGREGATE((until, how, order, scope, window_bytes), pc::keep_options),
      PLANECAST_TEST_AGGREGATE((data_frames, data_bytes, damaged, sent_again, not_expected), pc::stream_metrics),
      PLANECAST_TEST_TYPE(pc::plane_stream<standard_policy, pc::loopback>),
      PLANECAST_TEST_TYPE(pc::stream_sender<standard_policy, pc::loopback, pc::cpu>),
      PLANECAST_TEST_TYPE(pc::stream_sender<standard_policy, pc::loopback, pc::cpu>::outgoing),
      PLANECAST_TEST_TYPE(pc::stream_receiver<standard_policy, pc::loopback, pc::cpu>),
      PLANECAST_TEST_TYPE(pc::stream_receiver<standard_policy, pc::loopback, pc::cpu>::incoming),
      PLANECAST_TEST_TYPE(pc::gathered<pc::stream_receiver<standard_policy, pc::loopback, pc::cpu>::incoming>),

      PLANECAST_TEST_AGGREGATE((first, token, head, block, block_size, slots, blocks), pc::device_rows<std::byte>),
      PLANECAST_TEST_AGGREGATE((rows, held, scale, sent_scale), pc::device_pages),
      PLANECAST_TEST_AGGREGATE((tokens, first, heads, dim, page_tokens, value_bytes, bytes, tail_ends, coded),
                               pc::device_tiles<pc::per_token, pc::planes<4, 4, pc::tail>>),
      PLANECAST_TEST_AGGREGATE((keys, values, tokens, count, first_row),
                               pc::gather_layer<pc::per_channel<64>, pc::per_token, pc::planes<4, 4, pc::tail>>),
      PLANECAST_TEST_AGGREGATE((bytes, checksum), pc::gathered_payload),
      PLANECAST_TEST_AGGREGATE((payload, room, workspace, result, workspace_bytes), pc::gather_target),
      PLANECAST_TEST_AGGREGATE((threads, block_bytes, bytes_to_share), pc::cuda_tuning),
      PLANECAST_TEST_TYPE(pc::device_queue),
      PLANECAST_TEST_TYPE(pc::device_coded_cache<standard_policy, some_device>),
      PLANECAST_TEST_TYPE(pc::device_assembly<standard_policy, some_device>),
      PLANECAST_TEST_AGGREGATE((block_bytes, processor_bytes, processors), pc::attention_tuning),
      PLANECAST_TEST_AGGREGATE((first, dtype, rows, heads, dim, row, head, softmax_lse, lse_head, lse_row, fp32),
                               pc::device_queries),
      PLANECAST_TEST_AGGREGATE((dtype, tokens, kv_heads, keys, queries, how, not_one), pc::device_attention),
      PLANECAST_TEST_AGGREGATE((scores, weight, add, not_finite), pc::device_scores),
      PLANECAST_TEST_AGGREGATE((scores, count, pins, first, ranked, not_a_number), pc::device_ranking),
      PLANECAST_TEST_AGGREGATE((ranked, count, first, pinned, planes, bytes, chunk_bytes, header_bytes, available, base),
                               pc::device_upgrades),
      PLANECAST_TEST_AGGREGATE((frames, upgrades, bytes, infeasible), pc::device_cut),

      PLANECAST_TEST_AGGREGATE((of), pc::philox_words),
      PLANECAST_TEST_AGGREGATE((seed, position, stream), pc::position_noise),
      PLANECAST_TEST_TYPE(pc::target_kind),
      PLANECAST_TEST_AGGREGATE((batch_size, max_draft_tokens, vocab_size, draft_token_ids, cu_num_draft_tokens, target,
                                kind, draft_probs, bonus_token_ids, temperature, seed, offset, seeds, offsets,
                                target_step, draft_step),
                               pc::basic_draft_batch<>),
      PLANECAST_TEST_AGGREGATE((batch_size, max_draft_tokens, vocab_size, draft_token_ids, cu_num_draft_tokens, target,
                                kind, draft_probs, bonus_token_ids, temperature, seed, offset, seeds, offsets,
                                target_step, draft_step),
                               pc::basic_draft_batch<pc::bf16, pc::fp16>),
      PLANECAST_TEST_AGGREGATE((first, count), pc::batch_drafts),
      PLANECAST_TEST_AGGREGATE((output_token_ids, output_accepted_token_num, output_emitted_draft_token_num,
                                next_token_ids, add_to_counts), pc::accepted_batch),
      PLANECAST_TEST_AGGREGATE((others, vocabulary, rounds, tokens, seed), pc::check_engine_options),
      PLANECAST_TEST_TYPE(pc::engine_promise),
      PLANECAST_TEST_AGGREGATE((promise, what, round, position), pc::engine_failure),
      PLANECAST_TEST_AGGREGATE((round, position, stepped, verified, margin), pc::engine_divergence),
      PLANECAST_TEST_AGGREGATE((failures, divergences, compared, logit_difference), pc::engine_report),
      PLANECAST_TEST_AGGREGATE((length, depth, number), pc::needle_place),
      PLANECAST_TEST_AGGREGATE((prompt, answer), pc::needle_trial),
      PLANECAST_TEST_AGGREGATE((model, trials, must_pass, attempts, share, lengths, depths, timeout), pc::probe_options),
      PLANECAST_TEST_AGGREGATE((policy, geometry, model, tiers, trials, must_pass, attempts, share, places),
                               pc::probe_subject),
      PLANECAST_TEST_AGGREGATE((bits, trials, passed, base_alone), pc::probed_tier),
      PLANECAST_TEST_AGGREGATE((index, bits), pc::tolerated_tier),
      PLANECAST_TEST_AGGREGATE((subject, inconclusive, tiers), pc::probe_verdict),
      PLANECAST_TEST_TYPE(pc::token_tag),
      PLANECAST_TEST_AGGREGATE((index, id, tag), pc::token_event),
      PLANECAST_TEST_AGGREGATE((first, max_tokens, stop_tokens, on_token, timeout, max_drafts, max_run, verify_every,
                                draft_from, least_confidence, step_time, go_on, cancel), pc::speculate_options),
      PLANECAST_TEST_TYPE(pc::finish_reason),
      PLANECAST_TEST_TYPE(pc::turn),
      PLANECAST_TEST_AGGREGATE((confidence, time), pc::pass_outcome),
      PLANECAST_TEST_TYPE(pc::speculation<pc::stream_receiver<standard_policy, pc::loopback, pc::cpu>::incoming>),
      PLANECAST_TEST_AGGREGATE((sequence, run, next), pc::sequence_run),
      PLANECAST_TEST_AGGREGATE((sequence, run, logits), pc::sequence_rows),
      PLANECAST_TEST_TYPE(pc::greedy),
      PLANECAST_TEST_AGGREGATE((seed, temperature, stream), pc::shared_noise),
      PLANECAST_TEST_AGGREGATE((seed, temperature), pc::rejection),
      PLANECAST_TEST_TYPE(pc::sampled<some_engine, pc::shared_noise>),
      PLANECAST_TEST_TYPE(pc::sampled<some_engine, pc::rejection>),
      PLANECAST_TEST_TYPE(pc::sampled_batch<some_batch_engine, pc::shared_noise>),
      PLANECAST_TEST_AGGREGATE((cache, sequence, options),
                               pc::batch_request<pc::stream_receiver<standard_policy, pc::loopback, pc::cpu>::incoming>),
      PLANECAST_TEST_AGGREGATE((tokens, tags, finish, status, drafted, accepted, wasted, rounds, diverged, first_light, first_drafted,
                                first_verified_int8, first_verified, focused), pc::speculated),
  };
}
// clang-format on
#undef PLANECAST_TEST_TYPE
#undef PLANECAST_TEST_MEMBERS
#undef PLANECAST_TEST_AGGREGATE

using unit_layouts = decltype(all_layouts());

// Fingerprint of the standard policy and of what the code makes of one row, computed by the compiler itself.
constexpr std::uint64_t sample = [] {
  pc::cells<pc::bf16, 8> cells;
  cells.fit({pc::order_of(0xBF80), pc::order_of(0x4049)});
  pc::fingerprint seen;
  seen.add(standard_policy::fingerprint());
  for (std::uint32_t q = 0; q <= 256; ++q)
    seen.add(cells.first(q));
  return seen.value();
}();

} // namespace

} // namespace planecast_test
