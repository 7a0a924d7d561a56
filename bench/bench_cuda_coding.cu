// planecast-bench-cuda: coding and decoding tiles.
#include "planecast/cuda/cuda.cuh"

#include "on_device.cuh"

#include <algorithm>
#include <numeric>
#include <random>

namespace pc = planecast;

namespace planecast_bench {

namespace {

constexpr std::uint32_t heads = 8, page = 64, block_size = 16;

__global__ void find_difference(const std::uint16_t* a, const std::uint16_t* b, std::size_t count,
                                std::uint32_t* found) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x)
    if (a[i] != b[i])
      *found = 1;
}

// A layer's keys, or its values, of 512 MiB, and its tiles. Tokens lie one after the other, or in pages of an
// engine's, in any order.
template <class Q, class Planes>
struct layer {
  std::uint32_t dim, tokens;
  on_device<std::uint16_t> values, shown;
  on_device<std::int32_t> blocks; // 0 of them: there are none
  pc::device_tiles<Q, Planes> tiles;
  on_device<std::byte> memory;
  on_device<std::uint32_t> ends, corrupt;
  on_device<pc::encoded_tile> coded;

  layer(std::uint32_t head_dim, bool paged)
      : dim(head_dim), tokens(static_cast<std::uint32_t>(copied_bytes / 2 / heads / dim)),
        values(copied_bytes / 2), shown(copied_bytes / 2),
        blocks(paged ? tokens / block_size : 0), tiles{.tokens = tokens,
                                                       .heads = heads,
                                                       .dim = dim,
                                                       .page_tokens = page},
        memory(tiles.memory_bytes()), ends(tiles.ends()), corrupt(1), coded(tiles.tiles()) {
    tiles.bytes = memory.get();
    tiles.tail_ends = ends.get();
    tiles.coded = coded.get();
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> some(1 << 20);
    for (std::uint16_t& x : some)
      x = pc::bf16::nearest(normal(engine));
    values.fill(some);
    std::vector<std::int32_t> order(blocks.count());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), engine);
    check(cudaMemcpy(blocks.get(), order.data(), blocks.bytes(), cudaMemcpyHostToDevice));
    check(cudaMemset(shown.get(), 0xA5, shown.bytes()));
    check(cudaMemset(corrupt.get(), 0, corrupt.bytes()));
    check(encode(nullptr));
    check(cudaDeviceSynchronize());
  }
  template <class Byte>
  pc::device_rows<Byte> rows(std::uint16_t* of) const {
    pc::device_rows<Byte> are{
        .first = reinterpret_cast<Byte*>(of), .token = std::ptrdiff_t{heads} * dim, .head = dim};
    if (blocks.count() != 0) {
      are.block = block_size * are.token;
      are.block_size = block_size;
      are.blocks = blocks.get();
    }
    return are;
  }
  pc::device_rows<const std::byte> source() const { return rows<const std::byte>(values.get()); }
  pc::device_rows<std::byte> target() const { return rows<std::byte>(shown.get()); }
  pc::status encode(cudaStream_t stream) const {
    return pc::cuda::encode(pc::number::bf16, tiles, source(), stream);
  }

  // Bytes of the tiles' first planes, scalars included; of whole tiles.
  double planes_bytes(std::uint32_t planes) const {
    const auto layout = tiles.layout(0);
    return static_cast<double>(planes < Planes::fixed ? layout.plane_at(planes) : layout.tails_at()) *
           tiles.tiles();
  }
  double coded_bytes() const {
    double sum = static_cast<double>(ends.bytes() + coded.bytes());
    for (const pc::encoded_tile& t : coded.read()) {
      if (t.stored)
        throw std::runtime_error("a tile is stored as it is");
      sum += t.bytes;
    }
    return sum;
  }
  std::string exactness() const {
    on_device<std::uint32_t> different(1);
    check(cudaMemset(different.get(), 0, 4));
    find_difference<<<1024, 256>>>(values.get(), shown.get(), values.count(), different.get());
    check(cudaGetLastError());
    if (different.read()[0] != 0)
      return "what was decoded is not what was encoded";
    return corrupt.read()[0] != 0 ? "its own tiles are corrupt to it" : "";
  }
};

template <class Q>
void add_half(const std::string& of) {
  using planes = pc::planes<4, 4>;
  using exact = pc::planes<4, 4, pc::tail>;
  constexpr double raw = copied_bytes;
  const auto add_both = [&](std::uint32_t dim, bool paged) {
    const std::string name =
        "/" + of + "/head_dim:" + std::to_string(dim) + (paged ? "/paged:" + std::to_string(block_size) : "");
    add("encode_planes" + name, [=] {
      auto in = std::make_shared<layer<Q, planes>>(dim, paged);
      return operation{raw, raw + in->coded_bytes(), [in](cudaStream_t s) { return in->encode(s); }, {}};
    });
    add("encode_exact" + name, [=] {
      auto in = std::make_shared<layer<Q, exact>>(dim, paged);
      return operation{raw, raw + in->coded_bytes(), [in](cudaStream_t s) { return in->encode(s); }, {}};
    });
    for (const std::uint32_t count :
         {1u, 2u}) // with both: what refining costs where the plane is in its place
      add((count == 1 ? "decode_anchor" : "decode_planes") + name, [=] {
        auto in = std::make_shared<layer<Q, planes>>(dim, paged);
        return operation{raw,
                         raw + in->planes_bytes(count),
                         [in, count](cudaStream_t s) {
                           return pc::cuda::decode(pc::number::bf16, in->tiles, count, in->target(), s);
                         },
                         {}};
      });
    add("decode_exact" + name, [=] {
      auto in = std::make_shared<layer<Q, exact>>(dim, paged);
      return operation{raw, raw + in->coded_bytes(),
                       [in](cudaStream_t s) {
                         return pc::cuda::decode_exact(pc::number::bf16, in->tiles, in->target(),
                                                       in->corrupt.get(), s);
                       },
                       [in] { return in->exactness(); }};
    });
  };
  add_both(128, false);
  add_both(128, true);
  add_both(64, false);
}

} // namespace

void add_coding() {
  add_half<pc::per_channel<page>>("keys");
  add_half<pc::per_token>("values");
}

} // namespace planecast_bench
