// One cache, sent and received: what is done in each of the ways, whatever the policy.
#pragma once

#include "planecast/planecast.hpp"
#include "planecast/transport/socket.hpp"

#include "watched.hpp"
#include "ways.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace demo {

template <class Policy>
void send(const sending& job, planecast::socket link) {
  namespace pc = planecast;
  using stream = pc::plane_stream<Policy, pc::shaped<pc::socket>>;
  const std::uint32_t chunk =
      std::max(job.chunk_bytes(), static_cast<std::uint32_t>(stream::sender::least_chunk_bytes(job.shape)));
  typename stream::sender out(pc::shaped(std::move(link), job.link), job.shape,
                              {.chunk_bytes = chunk, .window_bytes = 2 * std::size_t{chunk}});
  pc::check(out.wait_connected(std::chrono::seconds(10)));
  auto shot = out.open({.id = 1, .tokens = job.tokens, .how = job.how});
  for (std::uint32_t layer = 0; layer < job.shape.layers; ++layer)
    pc::check(shot.put(layer, job.from.view(layer, job.tokens)));
  pc::check(shot.plan(job.before_first_token, job.from.importance(), {.pinned = {}, .until = job.until}));
  pc::check(shot.wait(pc::focused, job.timeout()));
}

template <class Policy>
received receive(const receiving& job, planecast::socket link, watcher& seen) {
  namespace pc = planecast;
  using stream = pc::plane_stream<Policy, pc::socket>;
  using clock = std::chrono::steady_clock;
  typename stream::receiver in(std::move(link), job.shape);
  std::vector<pc::kv_pages> pages;
  for (std::uint32_t l = 0; l < job.shape.layers; ++l)
    pages.push_back(job.into.pages(l, job.tokens));
  auto arriving = in.expect({.id = 1, .tokens = job.tokens}, std::move(pages));
  const pc::request_metrics& counted = arriving.metrics();
  auto before = counted.bytes_by_plane;
  const auto look = [&] {
    for (std::uint32_t p = 0; p < before.size(); ++p)
      if (const std::uint64_t now = counted.bytes_by_plane[p]; now != before[p])
        seen.came(p == 0 ? 0 : p - Policy::base_planes + 1, now - std::exchange(before[p], now));
    seen.tick();
  };
  watched_cache kv(std::move(arriving), look);
  // While a large model would compute, the link is driven; pages change between passes alone.
  paced_engine paced(job.into, job.step_ms, [&](moment until) {
    do {
      const moment next = std::min(until, clock::now() + std::chrono::milliseconds(30));
      if (!in.progress(pc::deadline(next)).ok())
        std::this_thread::sleep_until(next);
      look();
    } while (clock::now() < until);
  });
  received out;
  seen.begin();
  out.said =
      pc::speculate(paced, kv,
                    {.first = job.first,
                     .max_tokens = job.text,
                     .stop_tokens = job.ends,
                     .on_token = [&](const pc::token_event& e) { seen.said(e); },
                     .timeout = std::chrono::duration_cast<pc::deadline::clock::duration>(job.timeout)});
  if (out.said.status.ok()) // a text may end before it needs all of the cache
    out.said.status = kv.wait(pc::focused, job.timeout);
  look();
  out.bytes_before_first_token = kv.metrics().light_bytes; // first light: then decoding starts
  out.bytes = kv.metrics().data_bytes;
  return out;
}

/// Bytes of each plane, about: the base, then one for each upgrade up to the tier `until`, for the bars'
/// lengths.
template <class Policy>
std::vector<timeline::plane> planes_of(const sending& job) {
  namespace pc = planecast;
  if (job.how == pc::coding::raw)
    return {{"all", job.shape.raw_bytes(job.tokens)}};
  pc::coded_cache<Policy, pc::cpu> coded({job.shape, job.tokens}, job.how);
  for (std::uint32_t l = 0; l < job.shape.layers; ++l)
    coded.put(l, job.from.view(l, job.tokens));
  using planes = typename Policy::planes;
  std::vector<timeline::plane> all;
  all.push_back({std::to_string(planes::bits_before(Policy::base_planes)) + " bits"});
  for (std::uint32_t l = 0; l < job.shape.layers; ++l)
    for (std::uint32_t tile = 0; tile < coded.map().tiles(l); ++tile)
      all.front().expected += coded.base_bytes(l, tile);
  for (std::uint32_t p = Policy::base_planes; p < planes::holding(static_cast<std::uint32_t>(job.until));
       ++p) {
    std::uint64_t bytes = 0;
    for (std::uint32_t t = 0; t < job.tokens; ++t)
      bytes += coded.upgrade_bytes(p, t);
    all.push_back({p == planes::fixed ? "+ tail" : "+ " + std::to_string(planes::width(p)) + " bits", bytes});
  }
  return all;
}

template <class Policy>
constexpr named_policy policy_named(std::string_view name, double budget) {
  return {name, budget, send<Policy>, receive<Policy>, planes_of<Policy>};
}

} // namespace demo
