// Every call that enqueues, over memory that nobody looks at, and what each must enqueue.
#pragma once

#include "planecast/cuda/accept.cuh"
#include "planecast/cuda/cuda.cuh"
#include "planecast/cuda/gather.cuh"
#include "planecast/cuda/importance.cuh"
#include "planecast/cuda/order.cuh"

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <functional>
#include <string>
#include <vector>

namespace cuda_enqueue_test {

namespace pc = planecast;
using planes = pc::planes<4, 4, pc::tail>;
using tiles = pc::device_tiles<pc::per_token, planes>;
using layer = pc::gather_layer<pc::per_token, pc::per_token, planes>;
using names = std::vector<std::string>;

// What nobody looks at: the caller's stream, memory of a device, and a workspace there.
inline const cudaStream_t stream = reinterpret_cast<cudaStream_t>(std::uintptr_t{0x5000});
template <class T>
T* memory() {
  return reinterpret_cast<T*>(std::uintptr_t{0x100000});
}
inline constexpr std::uintptr_t workspace_at = 0x40000000;
inline void* const workspace = reinterpret_cast<void*>(workspace_at);

// A call, what it enqueues in order, and the bytes of the workspace that it has.
struct call {
  std::string name;
  std::function<pc::status()> enqueue;
  names work;
  std::size_t bytes = 0;
};
using calls = std::vector<call>;

inline tiles some_tiles(std::uint32_t page_tokens = 64, std::uint32_t dim = 128) {
  return {.tokens = 1000,
          .first = 70,
          .heads = 2,
          .dim = dim,
          .page_tokens = page_tokens,
          .bytes = memory<std::byte>(),
          .tail_ends = memory<std::uint32_t>(),
          .coded = memory<pc::encoded_tile>()};
}
template <class Byte>
pc::device_rows<Byte> some_rows(std::uint32_t dim = 128) {
  return {.first = memory<Byte>(), .token = 2 * std::ptrdiff_t{dim}, .head = dim};
}
inline void add_coding(calls& to, const tiles& t) {
  using pc::cuda, pc::number;
  const auto source = some_rows<const std::byte>(t.dim);
  const auto rows = some_rows<std::byte>(t.dim);
  auto* const corrupt = memory<std::uint32_t>();
  to.push_back({"encode", [=] { return cuda::encode(number::bf16, t, source, stream); }, {"encode_program"}});
  to.push_back(
      {"decode", [=] { return cuda::decode(number::bf16, t, 1, rows, stream); }, {"decode_program"}});
  to.push_back({"decode_exact",
                [=] { return cuda::decode_exact(number::bf16, t, rows, corrupt, stream); },
                {"decode_exact_program"}});
  for (const number held : {number::bf16, number::fp8_e4m3}) {
    const pc::device_pages pages{.rows = rows, .held = held};
    to.push_back({"decode into pages",
                  [=] { return cuda::decode(number::bf16, t, 2, pages, stream); },
                  {"decode_program"}});
    to.push_back({"decode_exact into pages",
                  [=] { return cuda::decode_exact(number::bf16, t, pages, corrupt, stream); },
                  {"decode_exact_program"}});
  }
}

template <class Target>
pc::basic_draft_batch<Target> some_batch(std::uint32_t drafts, pc::target_kind kind) {
  using number = typename pc::basic_draft_batch<Target>::target_number;
  return {.batch_size = 3,
          .max_draft_tokens = drafts,
          .vocab_size = 128256,
          .draft_token_ids = memory<pc::token_id>(),
          .target = memory<number>(),
          .kind = kind};
}
template <class Target>
void add_acceptance(calls& to, std::uint32_t drafts) {
  using accept = pc::cuda_acceptance;
  const pc::accepted_batch out{.output_token_ids = memory<pc::token_id>()};
  const std::size_t bytes = accept::workspace_bytes(3, drafts);
  const names two{"judge_program", "race_program"};
  for (const auto kind : {pc::target_kind::probabilities, pc::target_kind::logits}) {
    const auto batch = some_batch<Target>(drafts, kind);
    to.push_back(
        {"greedy", [=] { return accept::greedy(batch, out, workspace, bytes, stream); }, two, bytes});
    to.push_back(
        {"gumbel", [=] { return accept::gumbel(batch, out, workspace, bytes, stream); }, two, bytes});
    to.push_back(
        {"rejection", [=] { return accept::rejection(batch, out, workspace, bytes, stream); },
         kind == pc::target_kind::probabilities
             ? two
             : names{"memset", "softmax_program", "softmax_program", "judge_program", "race_program"},
         bytes});
  }
}

inline pc::device_attention some_attention(std::uint32_t dim, std::uint32_t window, bool given,
                                           bool wide = false) {
  pc::device_attention of;
  of.tokens = 5000;
  of.kv_heads = 2;
  of.keys = some_rows<const std::byte>(dim);
  of.queries = {.rows = window, .heads = 8, .dim = dim};
  if (wide)
    of.queries.fp32 = memory<float>();
  else
    of.queries.first = memory<std::byte>();
  if (given)
    of.queries.softmax_lse = memory<float>();
  of.how.window_size = window;
  return of;
}
inline call attention_call(const pc::device_attention& of) {
  std::size_t bytes = 0;
  const pc::status found = pc::device_importance::attention_mass_bytes(of, bytes);
  names work{"attention_program"};
  if (of.queries.softmax_lse == nullptr)
    work.insert(work.begin(), "memset");
  if (of.not_one != nullptr)
    work.emplace_back("memset");
  work.emplace_back("score_program");
  return {"attention_mass",
          [=] {
            return !found ? found
                          : pc::device_importance::attention_mass(of, {.scores = memory<float>()}, workspace,
                                                                  bytes, stream);
          },
          work, bytes};
}
inline call key_norm_call(std::uint32_t heads, std::uint32_t dim) {
  return {"key_norm",
          [=] {
            return pc::device_importance::key_norm(pc::number::bf16, some_rows<const std::byte>(dim), 1000,
                                                   heads, dim, pc::key_norm_order::long_first,
                                                   {.scores = memory<float>()}, stream);
          },
          {"key_norm_program"}};
}

inline call rank_call(std::uint32_t count, pc::pinned_tokens pins) {
  std::size_t bytes = 0;
  const pc::status found = pc::device_order::rank_bytes(count, pins, 0, bytes);
  const pc::device_ranking of{
      .scores = memory<float>(), .count = count, .pins = pins, .ranked = memory<std::uint32_t>()};
  return {"rank", [=] { return !found ? found : pc::device_order::rank(of, workspace, bytes, stream); },
          pc::device_order::pinned(count, pins) < count ? names{"order_program", "cub"}
                                                        : names{"order_program"},
          bytes};
}
inline call cut_call(std::uint32_t count) {
  const pc::device_upgrades of{.ranked = memory<std::uint32_t>(),
                               .count = count,
                               .planes = 2,
                               .bytes = memory<std::uint32_t>(),
                               .chunk_bytes = 1 << 18,
                               .header_bytes = 96,
                               .available = 1 << 30};
  std::size_t bytes = 0;
  const pc::status found = pc::device_order::cut_bytes(of, bytes);
  return {
      "cut",
      [=] {
        return !found ? found : pc::device_order::cut(of, memory<pc::device_cut>(), workspace, bytes, stream);
      },
      count != 0 ? names{"list_bytes_program", "cub", "link_program", "cut_program"} : names{"cut_program"},
      bytes};
}

inline call gather_call(std::uint32_t rows, std::uint32_t room) {
  const std::size_t bytes = pc::gather_workspace_bytes(rows);
  const pc::gather_target to{memory<std::byte>(), room, static_cast<std::byte*>(workspace),
                             memory<pc::gathered_payload>(), bytes};
  names work{"gather_starts_program"};
  if (rows != 0)
    work.insert(work.begin(), "gather_rows_program");
  if (rows != 0 && room != 0)
    work.emplace_back("gather_program");
  return {"gather", [=] { return pc::device_gather::enqueue(memory<const layer>(), 2, rows, 1, to, stream); },
          work, bytes};
}

// Each, of ordinary sizes, for the device that is current: how much workspace a call takes may depend on it.
inline calls all_calls() {
  calls all;
  add_coding(all, some_tiles());
  add_acceptance<float>(all, 5);
  add_acceptance<pc::bf16>(all, 5);
  for (const bool given : {false, true}) {
    auto of = some_attention(128, 32, given);
    all.push_back({"attention_mass_bytes",
                   [=] {
                     std::size_t bytes = 0;
                     return pc::device_importance::attention_mass_bytes(of, bytes);
                   },
                   {}});
    all.push_back(attention_call(of));
    of.not_one = memory<std::uint32_t>();
    all.push_back(attention_call(of));
  }
  all.push_back(key_norm_call(8, 128));
  for (const std::uint32_t count : {100u, 5000u, 300000u}) { // which CUB sorts by other kernels
    all.push_back(rank_call(count, {.sinks = 4, .recent = 32}));
    all.push_back(cut_call(count));
  }
  all.push_back(rank_call(10, {.sinks = 4, .recent = 32}));
  all.push_back(cut_call(0));
  all.push_back(
      {"upgrade_bytes",
       [] { return pc::device_order::upgrade_bytes(some_tiles(), 1, memory<std::uint32_t>(), true, stream); },
       {"upgrade_bytes_program"}});
  all.push_back(gather_call(5000, 1 << 20));
  all.push_back(gather_call(5000, 0));
  all.push_back(gather_call(0, 1 << 20));
  return all;
}

} // namespace cuda_enqueue_test
