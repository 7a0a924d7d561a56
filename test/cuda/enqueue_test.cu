// Every call that enqueues, without a GPU: what it puts into the caller's stream, on which device it may, and
// what becomes of it where CUDA's runtime fails. Kernels are recorded and not run.
#include "cuda/accept_refusals.cuh"
#include "cuda/enqueue_calls.cuh"
#include "cuda/recorded_runtime.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <doctest/doctest.h>
#include <iterator>
#include <string>
#include <utility>

// What kernels do takes a compiler long, and here they do nothing: of two functions the one with more
// constraints is called.
namespace planecast::inline v0::detail {

template <class Program, std::uint32_t... P>
requires true __device__ void run_phases(const Program&, block_place, std::byte*,
                                         std::integer_sequence<std::uint32_t, P...>) {}
template <class Program, std::uint32_t... P>
requires true __device__ void run_begin(const Program&, block_place, std::byte*, typename Program::kept&,
                                        std::integer_sequence<std::uint32_t, P...>) {}
template <class Program, std::uint32_t... P>
requires true __device__ void run_round(const Program&, block_place, std::byte*, typename Program::kept&,
                                        std::uint32_t, std::integer_sequence<std::uint32_t, P...>) {}
template <class Program, std::uint32_t... P>
requires true __device__ void run_end(const Program&, block_place, std::byte*, typename Program::kept&,
                                      std::integer_sequence<std::uint32_t, P...>) {}

} // namespace planecast::inline v0::detail

const int planecast_test::recorded_kernels_for = std::min({__CUDA_ARCH_LIST__}) / 10;

namespace cuda_enqueue_test {

using namespace planecast_test;

namespace {

// The names of what was enqueued, in order. What CUB does, its kernels and what it clears for them, is one.
names enqueued() {
  const auto& work = recorded().work;
  const bool cubs = std::any_of(work.begin(), work.end(), [](const auto& w) { return w.name == "cub"; });
  names found;
  for (const recorded_work& w : work) {
    const std::string name = cubs && w.written != nullptr ? "cub" : w.name;
    if (name != "cub" || found.empty() || found.back() != "cub")
      found.push_back(name);
  }
  return found;
}
// What is wrong with what was enqueued, if anything is.
std::string trouble(std::size_t workspace_bytes) {
  if (!recorded().misused.empty())
    return recorded().misused;
  for (const recorded_work& w : recorded().work) {
    if (w.stream != stream)
      return w.name + " in another stream";
    const auto at = reinterpret_cast<std::uintptr_t>(w.written);
    if (w.written != nullptr && (at < workspace_at || at + w.written_bytes > workspace_at + workspace_bytes))
      return w.name + " beside the workspace";
  }
  return cudaPeekAtLastError() == cudaSuccess ? "" : "an error that is left for others";
}

// f(device) for each, current, with nothing recorded.
template <class F>
void on_each_device(const F& f) {
  for (int device = 0; device < static_cast<int>(std::size(recorded_devices)); ++device) {
    CAPTURE(recorded_devices[device].architecture);
    record_on(device);
    f(device);
  }
}

} // namespace

TEST_CASE("enqueueing: a call puts what it says into the caller's stream, and does nothing else") {
  on_each_device([](int device) {
    for (const call& c : all_calls()) {
      CAPTURE(c.name);
      record_on(device);
      CHECK(c.enqueue().message() == "ok");
      CHECK(enqueued() == c.work);
      CHECK(trouble(c.bytes) == "");
    }
  });
}

TEST_CASE("enqueueing: a block of threads for each tile") {
  const tiles t = some_tiles();
  record_on(0);
  calls coding;
  add_coding(coding, t);
  for (const call& c : coding)
    CHECK(c.enqueue().ok());
  for (const recorded_work& w : recorded().work)
    CHECK(w.blocks == t.tiles());
}

TEST_CASE("enqueueing: where the runtime fails, that is told, and nothing is enqueued behind it") {
  on_each_device([](int device) {
    for (const call& c : all_calls()) {
      CAPTURE(c.name);
      record_on(device);
      REQUIRE(c.enqueue().ok()); // from here on CUB knows the device: it asks about one only once
      const unsigned all = recorded().calls;
      REQUIRE(all >= c.work.size());
      for (unsigned failing = 0; failing < all; ++failing) {
        CAPTURE(failing);
        record_on(device, failing);
        const pc::status s = c.enqueue();
        CHECK(recorded().failed);
        CHECK(s.code == pc::errc::device);
        // CUB gives another number where it cannot ask about the device.
        const bool cubs = std::count(c.work.begin(), c.work.end(), "cub") != 0;
        CHECK((s.there == asked_error || (cubs && s.there == cudaErrorInvalidDevice)));
        CHECK(recorded().work.size() == recorded().work_before);
        CHECK(trouble(c.bytes) == "");
      }
    }
  });
}

// The stand-in refuses what CUDA would.
TEST_CASE("enqueueing: tiles, drafts and channels of any number are too many, or a device takes them") {
  on_each_device([](int device) {
    calls all;
    for (const std::uint32_t page : {1u, 16u, 64u, 200u, 1024u})
      for (const std::uint32_t dim : {8u, 64u, 128u, 256u, 576u})
        add_coding(all, some_tiles(page, dim));
    for (const std::uint32_t drafts : {0u, 1u, 100u, 1000u, 3000u, 5000u, 10000u})
      add_acceptance<float>(all, drafts);
    for (const std::uint32_t dim : {8u, 64u, 128u, 200u, 256u, 576u, 1024u})
      for (const std::uint32_t window : {1u, 32u, 64u, 500u})
        for (const bool wide : {false, true})
          for (const bool given : {false, true})
            for (const std::uint32_t kernel : {0u, 5u, 10001u, 40001u}) {
              auto of = some_attention(dim, window, given, wide);
              of.how.kernel_size = kernel;
              of.how.pooling = window % 64 == 0 ? pc::score_pooling::max : pc::score_pooling::avg;
              all.push_back(attention_call(of));
            }
    for (const std::uint32_t heads : {1u, 8u, 128u, 512u})
      for (const std::uint32_t dim : {8u, 128u, 576u})
        all.push_back(key_norm_call(heads, dim));
    std::size_t refused = 0, large = 0;
    for (const call& c : all) {
      CAPTURE(c.name);
      record_on(device);
      const pc::status s = c.enqueue();
      CHECK(trouble(c.bytes) == "");
      for (const recorded_work& w : recorded().work)
        large += w.shared_bytes > 48 * 1024;
      if (s == pc::errc::limit) {
        ++refused;
        CHECK(recorded().work.empty());
        CHECK(s.there > s.here);
      } else {
        CHECK(s.message() == "ok");
        CHECK(enqueued() == c.work);
      }
    }
    CHECK(refused > 0);
    CHECK(large > 0);
  });
}

TEST_CASE("enqueueing: what cannot be done is refused, and nothing is enqueued") {
  on_each_device([](int) {
    acceptance_refuses(stream);

    using pc::device_importance, pc::device_order, pc::errc;
    const pc::device_scores scores{.scores = memory<float>()};
    std::size_t bytes = 0;
    for (const bool given : {false, true}) {
      auto of = some_attention(128, 32, given);
      of.not_one = memory<std::uint32_t>();
      const auto mass = [&] {
        return device_importance::attention_mass(of, scores, workspace, bytes, stream).code;
      };
      CHECK(device_importance::attention_mass_bytes(of, bytes).ok());
      --bytes;
      CHECK(mass() == errc::limit);
      bytes = 0;
      CHECK(mass() == errc::limit);
      bytes = ~std::size_t{0};
      of.how.kernel_size = 200001;
      CHECK(mass() == errc::limit);
      of.how.kernel_size = 5;
      of.dtype = pc::number::fp16;
      CHECK(mass() == errc::unsupported);
      of = some_attention(8192, 32, given);
      CHECK(mass() == errc::limit);
      of.tokens = 0;
      CHECK(device_importance::attention_mass(of, scores, nullptr, 0, stream).ok());
    }
    CHECK(key_norm_call(4096, 128).enqueue().code == errc::limit);
    CHECK(device_importance::key_norm(pc::number::bf16, {}, 0, 8, 128, pc::key_norm_order::long_first, scores,
                                      stream)
              .ok());

    for (const std::uint32_t count : {1u, 100u, 300000u}) {
      const pc::pinned_tokens none{.sinks = 0, .recent = 0};
      const pc::device_ranking ranking{
          .scores = memory<float>(), .count = count, .pins = none, .ranked = memory<std::uint32_t>()};
      CHECK(device_order::rank_bytes(count, none, 0, bytes).ok());
      CHECK(device_order::rank(ranking, workspace, bytes - 1, stream).code == errc::limit);
      CHECK(device_order::rank(ranking, nullptr, 0, stream).code == errc::limit);
      const pc::device_upgrades upgrades{
          .ranked = memory<std::uint32_t>(), .count = count, .planes = 2, .bytes = memory<std::uint32_t>()};
      auto* const cut = memory<pc::device_cut>();
      CHECK(device_order::cut_bytes(upgrades, bytes).ok());
      CHECK(device_order::cut(upgrades, cut, workspace, bytes - 1, stream).code == errc::limit);
      CHECK(device_order::cut(upgrades, cut, nullptr, 0, stream).code == errc::limit);
    }
    CHECK(device_order::rank({}, nullptr, 0, stream).ok());

    for (const std::uint32_t rows : {0u, 1u, 5000u}) {
      pc::gather_target to{memory<std::byte>(), 1 << 20, static_cast<std::byte*>(workspace),
                           memory<pc::gathered_payload>(), pc::gather_workspace_bytes(rows) - 1};
      CHECK(pc::device_gather::enqueue(memory<const layer>(), 2, rows, 1, to, stream).code == errc::limit);
    }

    const tiles t = some_tiles();
    const auto rows = some_rows<std::byte>();
    for (const pc::device_pages& pages :
         {pc::device_pages{.rows = rows, .held = pc::number::fp16, .scale = 2},
          pc::device_pages{.rows = rows, .held = pc::number::fp8_e4m3, .sent_scale = 2},
          pc::device_pages{.rows = rows, .held = pc::number::fp8_e4m3, .scale = 0}}) {
      CHECK(pc::cuda::decode(pc::number::bf16, t, 1, pages, stream).code == errc::unsupported);
      CHECK(pc::cuda::decode_exact(pc::number::bf16, t, pages, nullptr, stream).code == errc::unsupported);
    }
    CHECK(recorded().work.empty());
    CHECK(trouble(0) == "");
  });
}

} // namespace cuda_enqueue_test
