// All of planecast but the adapters (transport/socket.hpp and the like), in the order of the data's way: a
// folder includes only folders that stand above it here.
#pragma once

#include "planecast/config.hpp"
#include "planecast/status.hpp"
#include "planecast/version.hpp"

// What is sent.
#include "planecast/cache/geometry.hpp"
#include "planecast/cache/kv_view.hpp"
#include "planecast/cache/layouts.hpp"
#include "planecast/cache/number.hpp"
#include "planecast/cache/query_view.hpp"
#include "planecast/cache/shard.hpp"
#include "planecast/cache/token_slots.hpp"

// What changes the bytes.
#include "planecast/policy/layered_policy.hpp"
#include "planecast/policy/planes.hpp"
#include "planecast/policy/precision_policy.hpp"
#include "planecast/policy/quantizer.hpp"
#include "planecast/policy/tier.hpp"

// Numbers to planes and back: the definition, then the loops over it.
#include "planecast/code/arrived_planes.hpp"
#include "planecast/code/assembly.hpp"
#include "planecast/code/backend.hpp"
#include "planecast/code/balance.hpp"
#include "planecast/code/caches.hpp"
#include "planecast/code/cell.hpp"
#include "planecast/code/coded_cache.hpp"
#include "planecast/code/coded_tiles.hpp"
#include "planecast/code/executor.hpp"
#include "planecast/code/ruler.hpp"
#include "planecast/code/scalars.hpp"
#include "planecast/code/error_bound.hpp"
#include "planecast/code/item_map.hpp"
#include "planecast/code/tile.hpp"
#include "planecast/code/tile_map.hpp"
#include "planecast/code/value_rows.hpp"
#include "planecast/cpu/avx2.hpp"
#include "planecast/cpu/avx512.hpp"
#include "planecast/cpu/attention.hpp"
#include "planecast/cpu/cpu.hpp"
#include "planecast/cpu/instruction_set.hpp"
#include "planecast/cpu/plain.hpp"
#include "planecast/cpu/self_test.hpp"

// What goes first.
#include "planecast/plan/attention_mass.hpp"
#include "planecast/plan/budget.hpp"
#include "planecast/plan/importance.hpp"
#include "planecast/plan/kept_tokens.hpp"
#include "planecast/plan/key_norm.hpp"
#include "planecast/plan/layer_scores.hpp"
#include "planecast/plan/layered_importance.hpp"
#include "planecast/plan/recency.hpp"
#include "planecast/plan/layered_ranking.hpp"
#include "planecast/plan/pays.hpp"
#include "planecast/plan/upgrades.hpp"
#include "planecast/plan/worth.hpp"

// Bytes across.
#include "planecast/transport/faulty.hpp"
#include "planecast/transport/loopback.hpp"
#include "planecast/transport/shaped.hpp"
#include "planecast/transport/transport.hpp"

// Planes to bytes and back.
#include "planecast/stream/event.hpp"
#include "planecast/stream/gathered.hpp"
#include "planecast/stream/kept_bytes.hpp"
#include "planecast/stream/metrics.hpp"
#include "planecast/stream/plane_stream.hpp"
#include "planecast/stream/receiver.hpp"
#include "planecast/stream/sender.hpp"
#include "planecast/stream/wait_all.hpp"

// Tokens out.
#include "planecast/decode/accept.hpp"
#include "planecast/decode/accept_sampled.hpp"
#include "planecast/decode/arriving_cache.hpp"
#include "planecast/decode/check_engine.hpp"
#include "planecast/decode/draft_batch.hpp"
#include "planecast/decode/engine.hpp"
#include "planecast/decode/noise.hpp"
#include "planecast/decode/philox.hpp"
#include "planecast/decode/race.hpp"
#include "planecast/decode/sampled.hpp"
#include "planecast/decode/softmax.hpp"
#include "planecast/decode/speculate.hpp"
#include "planecast/decode/speculate_batch.hpp"
#include "planecast/decode/speculated.hpp"
