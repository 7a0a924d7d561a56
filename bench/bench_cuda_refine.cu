// planecast-bench-cuda: refining what a receiver keeps in device memory by a frame of upgrades that has come.
#include "planecast/code/tile_map.hpp"
#include "planecast/cuda/cuda.cuh"
#include "planecast/cuda/detail/launch_upgrades.hpp"
#include "planecast/cuda/detail/upgrade_parts.hpp"
#include "planecast/policy/precision_policy.hpp"

#include "on_device.cuh"

#include <algorithm>
#include <numeric>
#include <random>

namespace pc = planecast;

namespace planecast_bench {

namespace {

using policy = pc::precision_policy<pc::tiers<4, 8, pc::lossless>, pc::keys<pc::per_channel<64>>,
                                    pc::values<pc::per_token>, pc::planes<4, 4, pc::tail>>;
using planes = policy::planes;
using kept = pc::detail::kept_tiles<policy, policy::page_tokens>;
constexpr std::uint32_t layers = 8, tokens = 16384, heads = 8, dim = 128, page = policy::page_tokens;
constexpr std::size_t half = std::size_t{tokens} * heads * dim; // values of a layer's keys
static_assert(2 * half * layers * 2 == copied_bytes);

__global__ void find_other(const std::uint16_t* a, const std::uint16_t* b, std::uint32_t* found) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < half;
       i += std::size_t{gridDim.x} * blockDim.x)
    if (a[i] != b[i])
      *found = 1;
}

// A layer's keys, or its values: the same for all layers, each of which keeps codes of its own.
template <class Q>
struct coded_half {
  on_device<std::uint16_t> values, shown;
  pc::device_tiles<Q, planes> tiles{.tokens = tokens, .heads = heads, .dim = dim, .page_tokens = page};
  on_device<std::byte> memory;
  on_device<std::uint32_t> ends, corrupt;
  on_device<pc::encoded_tile> coded;
  std::vector<pc::encoded_tile> are;

  explicit coded_half(std::uint32_t seed)
      : values(half), shown(half), memory(tiles.memory_bytes()), ends(tiles.ends()), corrupt(1),
        coded(tiles.tiles()) {
    tiles.bytes = memory.get();
    tiles.tail_ends = ends.get();
    tiles.coded = coded.get();
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> some(1 << 20);
    for (std::uint16_t& x : some)
      x = pc::bf16::nearest(normal(engine));
    values.fill(some);
    check(pc::cuda::encode(pc::number::bf16, tiles, rows<const std::byte>(values.get()), nullptr));
    are = coded.read();
    for (const pc::encoded_tile& t : are)
      if (t.stored)
        throw std::runtime_error("a tile is stored as it is");
  }
  template <class Byte>
  static pc::device_rows<Byte> rows(std::uint16_t* of) {
    return {.first = reinterpret_cast<Byte*>(of), .token = std::ptrdiff_t{heads} * dim, .head = dim};
  }
  // What the first planes tell; with the tails, the values.
  void show(std::uint32_t count) const {
    check(count == planes::count
              ? pc::cuda::decode_exact(pc::number::bf16, tiles, rows<std::byte>(shown.get()), corrupt.get(),
                                       nullptr)
              : pc::cuda::decode(pc::number::bf16, tiles, count, rows<std::byte>(shown.get()), nullptr));
  }
  // Bytes of a plane of a tile, or of its tails.
  std::size_t plane_bytes(std::uint32_t plane, std::uint32_t tile) const {
    const auto layout = tiles.layout(0);
    return plane == planes::fixed ? are[tile].bytes - layout.tails_at() : page * layout.row_bytes(plane);
  }
};

// Layers as a receiver keeps them, and a frame of one plane of all tokens.
class receiver {
public:
  receiver(std::uint32_t plane, bool shuffled)
      : plane_(plane), keys_(1), values_(2), pages_(2 * half * layers), layers_there_(layers),
        stored_(std::size_t{2} * heads * tiles_.pages() * layers), corrupt_(1) {
    check(cudaMemset(stored_.get(), 0, stored_.bytes()));
    check(cudaMemset(corrupt_.get(), 0, 4));
    check(cudaMemset(pages_.get(), 0xA5, pages_.bytes()));
    const std::size_t key = tile_codes(keys_), value = tile_codes(values_);
    codes_ = std::make_unique<on_device<std::byte>>(layers * heads * tiles_.pages() * (key + value));
    std::vector<pc::detail::kept_layer> are;
    for (std::uint32_t l = 0; l < layers; ++l) {
      std::byte* codes = codes_->get() + l * codes_->bytes() / layers;
      are.push_back({coded_half<pc::per_token>::rows<std::byte>(pages_.get() + 2 * l * half),
                     coded_half<pc::per_token>::rows<std::byte>(pages_.get() + (2 * l + 1) * half), codes,
                     stored_.get() + l * stored_.count() / layers, heads, 0, true, true,
                     pc::detail::page_numbers{}, pc::detail::page_numbers{}});
      for (std::uint32_t h = 0; h < heads; ++h) {
        codes = keep(codes, keys_, h);
        codes = keep(codes, values_, h);
      }
    }
    check(cudaMemcpy(layers_there_.get(), are.data(), layers_there_.bytes(), cudaMemcpyHostToDevice));
    make_frame(shuffled);
    check(cudaDeviceSynchronize());
  }

  operation refining() {
    return {copied_bytes, moved_bytes(), [this](cudaStream_t s) { return run(s); },
            [this] { return in_order_ ? trouble() : ""; }};
  }

private:
  template <class Q>
  static std::size_t tile_codes(const coded_half<Q>& of) {
    return pc::detail::align_up(of.tiles.layout(0).tails_at(), pc::tile_alignment);
  }
  // A head's codes, without the plane that is to come. Returns where the next begin.
  template <class Q>
  std::byte* keep(std::byte* to, const coded_half<Q>& of, std::uint32_t head) const {
    const std::size_t pitch = tile_codes(of), pages = tiles_.pages();
    check(cudaMemcpy2D(to, pitch, of.tiles.tile(head * tiles_.pages()), of.tiles.stride(),
                       of.tiles.layout(0).plane_at(plane_), pages, cudaMemcpyDeviceToDevice));
    return to + pitch * pages;
  }
  void make_frame(bool shuffled) {
    std::vector<std::uint32_t> listed(tokens);
    std::iota(listed.begin(), listed.end(), 0u);
    in_order_ = !shuffled;
    if (shuffled) // the rows are others then, of the same length if they have one
      std::shuffle(listed.begin(), listed.end(), std::mt19937(3));
    const pc::detail::listed_plane listing(plane_, layers, pc::detail::listed_items(layers, listed));
    const pc::detail::upgrade_parts parts(
        map_, listing, [](std::uint32_t, std::uint32_t) { return false; },
        [](std::uint32_t) { return false; });
    std::size_t bytes = 0;
    each_piece([&](const std::byte*, std::size_t piece) { bytes += piece; });
    payload_ = std::make_unique<on_device<std::byte>>(bytes);
    std::byte* to = payload_->get();
    each_piece([&](const std::byte* from, std::size_t piece) {
      check(cudaMemcpyAsync(to, from, piece, cudaMemcpyDeviceToDevice));
      to += piece;
    });
    parts_ = std::make_unique<on_device<pc::detail::upgrade_part>>(parts.of.size());
    parts_->fill(parts.of);
    listed_ = std::make_unique<on_device<std::uint32_t>>(tokens);
    listed_->fill(listed);
    row_bytes_ = std::make_unique<on_device<std::uint16_t>>(parts.of.size() * pc::detail::upgrade_rows::most);
    part_bytes_ = std::make_unique<on_device<std::uint32_t>>(parts.of.size());
    many_bytes_ =
        std::make_unique<on_device<std::uint64_t>>(parts.of.size() / pc::detail::upgrade_frame::many + 1);
    frame_ = {layers_there_.get(),
              parts_->get(),
              static_cast<std::uint32_t>(parts.of.size()),
              static_cast<std::uint32_t>(bytes),
              listed_->get(),
              payload_->get(),
              row_bytes_->get(),
              part_bytes_->get(),
              many_bytes_->get(),
              corrupt_.get()};
  }
  // A plane's rows of pages that follow each other in the frame.
  template <class F>
  void each_piece(const F& f) const {
    for (std::uint32_t l = 0; l < layers; ++l)
      for (std::uint32_t h = 0; h < heads; ++h) {
        each_piece_of(keys_, h, f);
        each_piece_of(values_, h, f);
      }
  }
  template <class Q, class F>
  void each_piece_of(const coded_half<Q>& of, std::uint32_t head, const F& f) const {
    for (std::uint32_t p = 0; p < tiles_.pages(); ++p) {
      const std::uint32_t tile = head * tiles_.pages() + p;
      f(of.tiles.tile(tile) + of.tiles.layout(0).plane_at(plane_), of.plane_bytes(plane_, tile));
    }
  }

  pc::status run(cudaStream_t stream) const {
    pc::cuda_tuning how;
    pc::status result = pc::detail::current_tuning(how);
    if (plane_ == planes::fixed)
      check(cudaMemsetAsync(many_bytes_->get(), 0, many_bytes_->bytes(), stream));
    pc::detail::launch_upgrades<pc::bf16, policy>(
        [&](const auto& program, std::uint32_t blocks, std::uint32_t bytes) {
          if (result.ok())
            result = pc::detail::launch(program, blocks, bytes, how, stream);
        },
        plane_, frame_, false, [&](policy) { return tiles_; });
    return result;
  }
  // The frame, the codes, of which it is the last plane that is written, and the values.
  double moved_bytes() const {
    return static_cast<double>(payload_->bytes()) + static_cast<double>(codes_->bytes()) + copied_bytes;
  }
  std::string trouble() const {
    if (corrupt_.read()[0] != 0)
      return "its own frame is corrupt to it";
    keys_.show(plane_ + 1);
    values_.show(plane_ + 1);
    on_device<std::uint32_t> other(1);
    check(cudaMemset(other.get(), 0, 4));
    for (std::uint32_t l = 0; l < layers; ++l) {
      find_other<<<1024, 256>>>(pages_.get() + 2 * l * half, keys_.shown.get(), other.get());
      find_other<<<1024, 256>>>(pages_.get() + (2 * l + 1) * half, values_.shown.get(), other.get());
    }
    check(cudaGetLastError());
    return other.read()[0] != 0 ? "what was refined is not what decoding its tiles gives" : "";
  }

  std::uint32_t plane_;
  bool in_order_ = true;
  kept tiles_{tokens, 0, dim, dim, 2};
  pc::tile_map<policy> map_{{pc::number::bf16, layers, heads, dim, dim}, tokens};
  coded_half<policy::key_quantizer> keys_;
  coded_half<policy::value_quantizer> values_;
  on_device<std::uint16_t> pages_;
  on_device<pc::detail::kept_layer> layers_there_;
  on_device<std::uint8_t> stored_;
  on_device<std::uint32_t> corrupt_;
  std::unique_ptr<on_device<std::byte>> codes_, payload_;
  std::unique_ptr<on_device<pc::detail::upgrade_part>> parts_;
  std::unique_ptr<on_device<std::uint32_t>> listed_, part_bytes_;
  std::unique_ptr<on_device<std::uint16_t>> row_bytes_;
  std::unique_ptr<on_device<std::uint64_t>> many_bytes_;
  pc::detail::upgrade_frame frame_{};
};

} // namespace

void add_refining() {
  const auto of = [](std::uint32_t plane, bool shuffled) {
    return [=] {
      auto in = std::make_shared<receiver>(plane, shuffled);
      operation is = in->refining();
      is.run = [in, run = is.run](cudaStream_t s) { return run(s); };
      return is;
    };
  };
  add("refine/plane:1", of(1, false));
  add("refine/plane:1/tokens:shuffled", of(1, true));
  add("refine/plane:tail", of(planes::fixed, false));
}

} // namespace planecast_bench
