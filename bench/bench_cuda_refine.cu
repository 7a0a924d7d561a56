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

// Whether the listed tokens' rows are others.
__global__ void find_other(const std::uint16_t* a, const std::uint16_t* b, const std::uint32_t* listed,
                           std::size_t values, std::uint32_t* found) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < values;
       i += std::size_t{gridDim.x} * blockDim.x) {
    const std::size_t at = listed[i / (heads * dim)] * std::size_t{heads * dim} + i % (heads * dim);
    if (a[at] != b[at])
      *found = 1;
  }
}

// A layer's keys, or its values: the same for all layers, each of which keeps codes of its own.
template <class Q>
struct coded_half {
  on_device<std::uint16_t> values, shown;
  pc::device_tiles<Q, planes> tiles{.tokens = tokens, .heads = heads, .dim = dim, .page_tokens = page};
  on_device<std::byte> memory;
  on_device<std::uint32_t> ends;
  on_device<pc::encoded_tile> coded;

  explicit coded_half(std::uint32_t seed)
      : values(half), shown(half), memory(tiles.memory_bytes()), ends(tiles.ends()), coded(tiles.tiles()) {
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
    for (const pc::encoded_tile& t : coded.read())
      if (t.stored)
        throw std::runtime_error("a tile is stored as it is");
  }
  template <class Byte>
  static pc::device_rows<Byte> rows(std::uint16_t* of) {
    return {.first = reinterpret_cast<Byte*>(of), .token = std::ptrdiff_t{heads} * dim, .head = dim};
  }
  // What there should be with a plane more: the values, or what decode() says.
  const std::uint16_t* expected(std::uint32_t plane) const {
    if (plane == planes::fixed)
      return values.get();
    check(pc::cuda::decode(pc::number::bf16, tiles, plane + 1, rows<std::byte>(shown.get()), nullptr));
    return shown.get();
  }
};

// What a frame is of.
struct frame_kind {
  std::uint32_t plane;
  std::uint32_t tokens; // that are listed
  bool shuffled;        // else one after the other
};

// Layers as a receiver keeps them, and a frame.
class receiver {
public:
  explicit receiver(const frame_kind& kind)
      : plane_(kind.plane), keys_(1), values_(2), pages_(2 * half * layers), layers_there_(layers),
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
                     stored_.get() + l * stored_.count() / layers, 0, true, true, pc::detail::page_numbers{},
                     pc::detail::page_numbers{}});
      for (std::uint32_t h = 0; h < heads; ++h) {
        codes = keep(codes, keys_, h);
        codes = keep(codes, values_, h);
      }
    }
    check(cudaMemcpy(layers_there_.get(), are.data(), layers_there_.bytes(), cudaMemcpyHostToDevice));
    make_frame(kind);
    check(cudaDeviceSynchronize());
  }

  operation refining() {
    return {value_bytes(), moved_bytes(), [this](cudaStream_t s) { return run(s); },
            [this] { return trouble(); }};
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
  void make_frame(const frame_kind& kind) {
    std::vector<std::uint32_t> listed(tokens);
    std::iota(listed.begin(), listed.end(), 0u);
    if (kind.shuffled)
      std::shuffle(listed.begin(), listed.end(), std::mt19937(3));
    listed.resize(kind.tokens);
    std::vector<std::byte> of_layer; // the same for all
    const auto keys = keys_.memory.read(), values = values_.memory.read();
    const auto key_ends = keys_.ends.read(), value_ends = values_.ends.read();
    for (std::uint32_t h = 0; h < heads; ++h) {
      add_rows(of_layer, keys_, keys, key_ends, h, listed);
      add_rows(of_layer, values_, values, value_ends, h, listed);
    }
    payload_ = std::make_unique<on_device<std::byte>>(layers * of_layer.size());
    payload_->fill(of_layer);

    const pc::detail::listed_plane listing(plane_, layers, pc::detail::listed_items(layers, listed));
    pc::detail::upgrade_cutter cutter(
        map_, listing, [](std::uint32_t, std::uint32_t) { return false; },
        [](std::uint32_t) { return false; });
    const auto parts = cutter.next(~std::size_t{0}, ~std::uint64_t{0});
    parts_ = std::make_unique<on_device<pc::detail::upgrade_part>>(parts.size());
    parts_->fill(parts);
    listed_ = std::make_unique<on_device<std::uint32_t>>(listed.size());
    listed_->fill(listed);
    row_bytes_ = std::make_unique<on_device<std::uint16_t>>(parts.size() * pc::detail::upgrade_rows::most);
    part_bytes_ = std::make_unique<on_device<std::uint32_t>>(parts.size());
    sums_ =
        std::make_unique<on_device<std::uint64_t>>(2 + parts.size() / pc::detail::upgrade_frame::many + 1);
    frame_ = {layers_there_.get(),
              parts_->get(),
              static_cast<std::uint32_t>(parts.size()),
              static_cast<std::uint32_t>(payload_->bytes()),
              listed_->get(),
              payload_->get(),
              row_bytes_->get(),
              part_bytes_->get(),
              sums_->get() + 2,
              sums_->get(),
              sums_->get() + 1,
              true,
              corrupt_.get()};
  }
  // A head's rows of the plane.
  template <class Q>
  void add_rows(std::vector<std::byte>& to, const coded_half<Q>& of, const std::vector<std::byte>& memory,
                const std::vector<std::uint32_t>& ends, std::uint32_t head,
                const std::vector<std::uint32_t>& listed) const {
    const auto layout = of.tiles.layout(0);
    for (const std::uint32_t token : listed) {
      const std::uint32_t number = head * tiles_.pages() + token / page, row = token % page;
      const std::uint32_t* const end = &ends[std::size_t{head} * tokens + token];
      const bool tails = plane_ == planes::fixed;
      const std::uint32_t first = tails ? layout.tails_at() + (row == 0 ? 0 : end[-1])
                                        : layout.plane_row_at(plane_, row),
                          last = tails ? layout.tails_at() + *end : first + layout.row_bytes(plane_);
      const std::byte* const tile = memory.data() + number * of.tiles.stride();
      to.insert(to.end(), tile + first, tile + last);
    }
  }

  pc::status run(cudaStream_t stream) const {
    pc::cuda_tuning how;
    pc::status result = pc::detail::current_tuning(how);
    if (plane_ == planes::fixed)
      check(cudaMemsetAsync(sums_->get(), 0, sums_->bytes(), stream));
    pc::detail::launch_upgrades<pc::bf16, policy>(
        [&](const auto& program, std::uint32_t blocks, std::uint32_t bytes) {
          if (result.ok())
            result = pc::detail::launch(program, blocks, bytes, how, stream);
        },
        plane_, frame_, false, [&](policy) { return tiles_; });
    return result;
  }
  double value_bytes() const {
    return 2.0 * 2 * heads * dim * layers * static_cast<double>(listed_->count());
  }
  // The frame, the codes, of which it is the last plane that is written, and the values.
  double moved_bytes() const {
    const double part = static_cast<double>(listed_->count()) / tokens;
    return static_cast<double>(payload_->bytes()) + part * static_cast<double>(codes_->bytes()) +
           value_bytes();
  }
  std::string trouble() const {
    if (corrupt_.read()[0] != 0)
      return "its own frame is corrupt to it";
    const std::uint16_t *const keys = keys_.expected(plane_), *const values = values_.expected(plane_);
    on_device<std::uint32_t> other(1);
    check(cudaMemset(other.get(), 0, 4));
    for (std::uint32_t l = 0; l < layers; ++l) {
      find_other<<<1024, 256>>>(pages_.get() + 2 * l * half, keys, listed_->get(),
                                listed_->count() * heads * dim, other.get());
      find_other<<<1024, 256>>>(pages_.get() + (2 * l + 1) * half, values, listed_->get(),
                                listed_->count() * heads * dim, other.get());
    }
    check(cudaGetLastError());
    return other.read()[0] != 0 ? "what was refined is not what decoding its tiles gives" : "";
  }

  std::uint32_t plane_;
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
  std::unique_ptr<on_device<std::uint64_t>> sums_;
  pc::detail::upgrade_frame frame_{};
};

} // namespace

void add_refining() {
  const auto of = [](frame_kind kind) {
    return [=] {
      auto in = std::make_shared<receiver>(kind);
      operation is = in->refining();
      is.run = [in, run = is.run](cudaStream_t s) { return run(s); };
      return is;
    };
  };
  add("refine/plane:1", of({1, tokens, false}));
  add("refine/plane:1/tokens:shuffled", of({1, tokens, true}));
  add("refine/plane:tail", of({planes::fixed, tokens, false}));
  // As frames are by default, of which each is launched by itself: a mebibyte of such a cache.
  constexpr std::uint32_t few = (1 << 20) / (2 * heads * layers * dim / 2);
  add("refine/plane:1/tokens:" + std::to_string(few), of({1, few, true}));
  add("refine/plane:tail/tokens:" + std::to_string(few), of({planes::fixed, few, true}));
}

} // namespace planecast_bench
