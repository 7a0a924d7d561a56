// The calls below the stream, on a request whose cache lies in device memory: coded into tiles and decoded
// from them, its tokens ranked, and the order of their upgrades cut where a stream's plan() would cut it.
// They only enqueue, into your stream and your memory. examples/device_acceptance.cu has those for drafted
// tokens.
#include <planecast/cuda/cuda.cuh>
#include <planecast/cuda/importance.cuh>
#include <planecast/cuda/order.cuh>
#include <planecast/planecast.hpp>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <vector>

namespace pc = planecast;

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>>;
template <class Quantizer>
using tiles_of = pc::device_tiles<Quantizer, policy::planes>;

const pc::geometry model{
    .dtype = pc::number::bf16, .layers = 4, .kv_heads = 2, .key_dim = 64, .value_dim = 64};
constexpr std::uint32_t tokens = 500, window = 32, query_heads = 8;
constexpr std::size_t numbers = std::size_t{tokens} * 2 * 64;           // of a layer: those of K, or of V
constexpr std::size_t queries = std::size_t{window} * query_heads * 64; // of the last tokens
constexpr std::uint32_t planes_above = policy::planes::count - policy::base_planes;
constexpr pc::pinned_tokens pins{.sinks = 4, .recent = 32};
constexpr std::uint32_t longest_payload = 64 * 1024; // of a frame: sender_options::chunk_bytes
const auto strides = pc::kv_strides::nhd(model.kv_heads, model.key_dim);

void check(cudaError_t e) {
  if (e != cudaSuccess)
    throw pc::error({pc::errc::device, cudaGetErrorString(e)});
}
// It lives as long as the program, and is aligned for whatever planecast asks for.
template <class T>
T* on_device(std::size_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, count * sizeof(T)));
  return static_cast<T*>(memory);
}
// What lies there, once the stream has come so far.
template <class T>
std::vector<T> at_host(const T* there, std::size_t count, cudaStream_t stream) {
  std::vector<T> here(count);
  check(cudaMemcpyAsync(here.data(), there, count * sizeof(T), cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  return here;
}

// Stands for a model that computes a layer's K and V, or its queries.
__global__ void compute(std::uint16_t* values, std::size_t count, std::uint32_t seed) {
  for (std::size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    values[i] = static_cast<std::uint16_t>(0x3C00 + (i * 2654435761u + seed) % 0x600);
}

// Room for the tiles of a layer's keys, or of its values. The shape says how much it is.
template <class Quantizer>
tiles_of<Quantizer> room_for_tiles(std::uint32_t dim) {
  tiles_of<Quantizer> tiles{.tokens = tokens,
                            .heads = model.kv_heads,
                            .dim = dim,
                            .page_tokens = policy::page_tokens,
                            .value_bytes = pc::value_bytes(model.dtype)};
  tiles.bytes = on_device<std::byte>(tiles.memory_bytes()); // a slot for each tile, as if all were stored
  tiles.tail_ends = on_device<std::uint32_t>(tiles.ends());
  tiles.coded = on_device<pc::encoded_tile>(tiles.tiles());
  return tiles;
}
// Where an engine has a layer's K, or V. A paged cache sets block, block_size and blocks, too.
template <class Byte>
pc::device_rows<Byte> rows_at(std::uint16_t* first) {
  return {.first = reinterpret_cast<Byte*>(first), .token = strides.token, .head = strides.head};
}

struct layer {
  std::uint16_t* kv = on_device<std::uint16_t>(2 * numbers); // K, then V
  tiles_of<policy::key_quantizer> keys = room_for_tiles<policy::key_quantizer>(model.key_dim);
  tiles_of<policy::value_quantizer> values = room_for_tiles<policy::value_quantizer>(model.value_dim);
};

// Decodes the keys of a layer that is coded: the first plane, the first two, all of it.
bool decodes(const layer& of, cudaStream_t stream) {
  auto* const pages = on_device<std::uint16_t>(numbers);
  auto* const corrupt = on_device<std::uint32_t>(1);
  const auto to = rows_at<std::byte>(pages);
  const std::vector<std::uint16_t> keys = at_host(of.kv, numbers, stream);
  const auto error = [&] { // squares of what the pages are off by
    const std::vector<std::uint16_t> got = at_host(pages, numbers, stream);
    double sum = 0;
    for (std::size_t i = 0; i < numbers; ++i) {
      const double off = pc::bf16::value(got[i]) - pc::bf16::value(keys[i]);
      sum += off * off;
    }
    return sum;
  };
  pc::check(pc::cuda::decode(model.dtype, of.keys, 1, to, stream)); // 4 bits
  const double at_4 = error();
  pc::check(pc::cuda::decode(model.dtype, of.keys, 2, to, stream)); // 8
  const double at_8 = error();
  check(cudaMemsetAsync(corrupt, 0, sizeof *corrupt, stream)); // nobody else clears it
  pc::check(pc::cuda::decode_exact(model.dtype, of.keys, to, corrupt, stream));
  const bool equal = at_host(pages, numbers, stream) == keys && at_host(corrupt, 1, stream)[0] == 0;
  std::cout << "squared error: " << at_4 << ", then " << at_8 << ", then "
            << (equal ? "equal to the last bit\n" : "not equal\n");
  return equal && at_4 > at_8 && at_8 > 0;
}

// Ranks the tokens and cuts the order of their upgrades, then asks a stream on the host for the same.
bool cuts(const std::vector<layer>& layers, cudaStream_t stream) {
  auto* const q = on_device<std::uint16_t>(queries);
  auto* const mass = on_device<float>(tokens);
  auto *const ranked = on_device<std::uint32_t>(tokens), *const bytes = on_device<std::uint32_t>(
                                                             std::size_t{planes_above} * tokens);
  auto* const base = on_device<std::uint64_t>(1);
  auto* const cut = on_device<pc::device_cut>(1);

  const auto budget = pc::budget::of_raw(0.5);
  pc::device_upgrades upgrades; // header_bytes are a stream's unless you say otherwise
  upgrades.ranked = ranked;
  upgrades.count = tokens;
  upgrades.pinned = pc::device_order::pinned(tokens, pins);
  upgrades.planes = planes_above; // up to lossless
  upgrades.bytes = bytes;
  upgrades.chunk_bytes = longest_payload;
  upgrades.base = base;
  const std::uint64_t ceiling = budget.ceiling(model.raw_bytes(tokens), 0), plan = upgrades.plan_bytes();
  upgrades.available = ceiling > plan ? ceiling - plan : 0;

  pc::device_attention attention;
  attention.tokens = tokens;
  attention.kv_heads = model.kv_heads;
  attention.queries = {.first = reinterpret_cast<const std::byte*>(q),
                       .rows = window,
                       .heads = query_heads,
                       .dim = model.key_dim};
  attention.how.window_size = window;
  std::size_t mass_bytes = 0, rank_bytes = 0, cut_bytes = 0; // of workspaces
  pc::check(pc::device_importance::attention_mass_bytes(attention, mass_bytes));
  pc::check(pc::device_order::rank_bytes(tokens, pins, 0, rank_bytes));
  pc::check(pc::device_order::cut_bytes(upgrades, cut_bytes));
  auto *const mass_room = on_device<std::byte>(mass_bytes),
              *const rank_room = on_device<std::byte>(rank_bytes),
              *const cut_room = on_device<std::byte>(cut_bytes);

  for (std::uint32_t l = 0; l < model.layers; ++l) {
    const layer& is = layers[l];
    const bool add = l > 0; // to what the layers before have left; the first writes over
    compute<<<32, 256, 0, stream>>>(q, queries, l);
    attention.keys = rows_at<const std::byte>(is.kv);
    pc::check(pc::device_importance::attention_mass(
        attention, {.scores = mass, .weight = 1.0f / model.layers, .add = add}, mass_room, mass_bytes,
        stream));
    pc::check(pc::device_order::upgrade_bytes(is.keys, policy::base_planes, bytes, add, stream));
    pc::check(pc::device_order::upgrade_bytes(is.values, policy::base_planes, bytes, true, stream));
    pc::check(
        pc::device_order::base_bytes(is.keys, is.values, policy::base_planes, upgrades, base, add, stream));
  }
  pc::check(pc::device_order::rank({.scores = mass, .count = tokens, .pins = pins, .ranked = ranked},
                                   rank_room, rank_bytes, stream));
  pc::check(pc::device_order::cut(upgrades, cut, cut_room, cut_bytes, stream));
  const pc::device_cut is = at_host(cut, 1, stream)[0];
  const std::uint64_t base_and_plan = at_host(base, 1, stream)[0] + plan;

  auto [here, there] = pc::loopback::pair();
  pc::plane_stream<policy, pc::loopback>::sender out{
      std::move(here), model, {.chunk_bytes = longest_payload}};
  auto shot = out.open({.id = 1, .tokens = tokens});
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    std::vector<std::uint16_t> kv = at_host(layers[l].kv, 2 * numbers, stream);
    pc::check(shot.put(l, {kv.data(), strides, kv.data() + numbers, strides, tokens}));
  }
  pc::check(shot.plan(budget, at_host(mass, tokens, stream), {.pinned = pins}));
  std::cout << is.upgrades << " upgrades of " << planes_above * tokens << " in " << is.frames
            << " frames: with the base " << base_and_plan + is.bytes << " bytes, in a stream's plan "
            << shot.metrics().light_bytes << '\n';
  return is.infeasible == 0 && base_and_plan == shot.metrics().base_bytes &&
         base_and_plan + is.bytes == shot.metrics().light_bytes;
}

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::cout << "no GPU\n";
    return 77;
  }
  cudaStream_t engine = nullptr;
  check(cudaStreamCreate(&engine));
  std::vector<layer> layers(model.layers);
  for (std::uint32_t l = 0; l < model.layers; ++l) {
    compute<<<32, 256, 0, engine>>>(layers[l].kv, 2 * numbers, l);
    pc::check(pc::cuda::encode(model.dtype, layers[l].keys, rows_at<const std::byte>(layers[l].kv), engine));
    pc::check(pc::cuda::encode(model.dtype, layers[l].values,
                               rows_at<const std::byte>(layers[l].kv + numbers), engine));
  }
  const bool decoded = decodes(layers[0], engine), cut = cuts(layers, engine);
  return decoded && cut ? 0 : 1;
}
