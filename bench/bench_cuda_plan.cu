// planecast-bench-cuda: scoring, ranking and cutting what is sent first.
//
// One layer of 32768 tokens, BF16, 8 KV heads of 4 query heads, 128 channels, a window of 32 queries. Moved
// are the keys once, whether or not a kernel reads them again, the queries and the scores. Goals: attention
// mass in 45 µs with softmax_lse and 70 without, the order and its cut in 60.
#include "planecast/cuda/importance.cuh"
#include "planecast/cuda/order.cuh"

#include "on_device.cuh"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace pc = planecast;

namespace planecast_bench {

namespace {

constexpr std::uint32_t tokens = 32768, kv_heads = 8, group = 4, window = 32, dim = 128, page = 16;

template <class T>
void upload(const on_device<T>& to, const std::vector<T>& from) {
  check(cudaMemcpy(to.get(), from.data(), to.bytes(), cudaMemcpyHostToDevice));
}

// Keys and queries, and what scores go to.
struct layer {
  on_device<std::uint16_t> keys, queries;
  on_device<std::int32_t> blocks;
  on_device<float> lse, scores;
  on_device<std::uint32_t> not_finite;
  pc::device_attention is;
  std::size_t workspace_bytes = 0;
  std::unique_ptr<on_device<std::byte>> workspace;

  layer(bool given, bool paged)
      : keys(std::size_t{tokens} * kv_heads * dim), queries(std::size_t{window} * kv_heads * group * dim),
        blocks(tokens / page), lse(kv_heads * group * window), scores(tokens), not_finite(1) {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<std::uint16_t> some((1 << 20) + 8); // no whole number of rows
    for (std::uint16_t& x : some)
      x = pc::bf16::nearest(normal(engine));
    keys.fill(some);
    std::shuffle(some.begin(), some.end(), engine);
    queries.fill(some);
    std::vector<std::int32_t> order(blocks.count());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), engine);
    upload(blocks, order);
    // Scaled products of such numbers are normal: their exponentials are √e in the mean.
    upload(lse, std::vector<float>(lse.count(), std::log(static_cast<float>(tokens)) + 0.5f));
    check(cudaMemset(not_finite.get(), 0, 4));

    is.tokens = tokens;
    is.kv_heads = kv_heads;
    is.keys = {.first = reinterpret_cast<const std::byte*>(keys.get()),
               .token = std::ptrdiff_t{kv_heads} * dim,
               .head = dim};
    if (paged) {
      is.keys.block = std::ptrdiff_t{page} * kv_heads * dim;
      is.keys.block_size = page;
      is.keys.blocks = blocks.get();
    }
    is.queries = {.first = reinterpret_cast<const std::byte*>(queries.get()),
                  .rows = window,
                  .heads = kv_heads * group,
                  .dim = dim,
                  .softmax_lse = given ? lse.get() : nullptr};
    is.how.window_size = window;
    check(pc::device_importance::attention_mass_bytes(is, workspace_bytes));
    workspace = std::make_unique<on_device<std::byte>>(workspace_bytes);
    check(cudaDeviceSynchronize());
  }
  [[nodiscard]] pc::device_scores to() const {
    return {.scores = scores.get(), .not_finite = not_finite.get()};
  }
  pc::status attention(cudaStream_t stream) const {
    return pc::device_importance::attention_mass(is, to(), workspace->get(), workspace_bytes, stream);
  }
  pc::status key_norm(cudaStream_t stream) const {
    return pc::device_importance::key_norm(is.dtype, is.keys, tokens, kv_heads, dim,
                                           pc::key_norm_order::long_first, to(), stream);
  }
  [[nodiscard]] std::string trouble() const {
    if (not_finite.read()[0] != 0)
      return "scores that are not finite";
    const std::vector<float> all = scores.read();
    return std::all_of(all.begin(), all.end(), [](float s) { return s > 0; }) ? "" : "scores of nothing";
  }
};

// Scores of tokens, and the bytes of their upgrades.
struct upgrades {
  static constexpr std::uint32_t planes = 2;

  on_device<float> scores;
  on_device<std::uint32_t> ranked, bytes, not_a_number;
  on_device<pc::device_cut> cut;
  pc::device_upgrades are;
  std::size_t rank_bytes = 0, cut_bytes = 0;
  std::unique_ptr<on_device<std::byte>> rank_room, cut_room;

  upgrades() : scores(tokens), ranked(tokens), bytes(std::size_t{tokens} * planes), not_a_number(1), cut(1) {
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> some(tokens);
    for (float& x : some)
      x = std::exp(3 * normal(engine));
    upload(scores, some);
    std::vector<std::uint32_t> of_upgrades(bytes.count());
    for (std::uint32_t& b : of_upgrades)
      b = std::uniform_int_distribution<std::uint32_t>(500, 1500)(engine);
    upload(bytes, of_upgrades);
    check(cudaMemset(not_a_number.get(), 0, 4));

    are.ranked = ranked.get();
    are.count = tokens;
    are.pinned = pc::device_order::pinned(tokens, {});
    are.planes = planes;
    are.bytes = bytes.get();
    are.chunk_bytes = 512 << 10;
    are.header_bytes = 64;
    are.available = std::accumulate(of_upgrades.begin(), of_upgrades.end(), std::uint64_t{0}) / 2;
    check(pc::device_order::rank_bytes(tokens, {}, 0, rank_bytes));
    check(pc::device_order::cut_bytes(are, cut_bytes));
    rank_room = std::make_unique<on_device<std::byte>>(rank_bytes);
    cut_room = std::make_unique<on_device<std::byte>>(cut_bytes);
    check(cudaDeviceSynchronize());
  }
  pc::status run(cudaStream_t stream) const {
    if (const pc::status s =
            pc::device_order::rank({scores.get(), tokens, {}, 0, ranked.get(), not_a_number.get()},
                                   rank_room->get(), rank_bytes, stream);
        !s)
      return s;
    return pc::device_order::cut(are, cut.get(), cut_room->get(), cut_bytes, stream);
  }
  [[nodiscard]] std::string trouble() const {
    const pc::device_cut is = cut.read()[0];
    if (not_a_number.read()[0] != 0 || is.infeasible != 0)
      return "scores that are NaN, or an order that cannot be cut";
    // What is left over is less than one upgrade more takes.
    return is.bytes <= are.available && is.bytes + 1500 + are.header_bytes > are.available
               ? ""
               : "another cut than the budget's";
  }
  [[nodiscard]] double moved_bytes() const { // scores and sizes once, the order once
    return static_cast<double>(scores.bytes() + bytes.bytes() + ranked.bytes() + cut.bytes());
  }
};

} // namespace

void add_plan() {
  for (const bool given : {true, false})
    for (const bool paged : {false, true})
      add(std::string("attention_mass/") + (given ? "softmax_lse" : "two_passes") +
              (paged ? "/paged:16" : "/contiguous"),
          [=] {
            auto in = std::make_shared<layer>(given, paged);
            return operation{static_cast<double>(in->keys.bytes()),
                             static_cast<double>(in->keys.bytes() + in->queries.bytes() + in->scores.bytes()),
                             [in](cudaStream_t s) { return in->attention(s); },
                             [in] { return in->trouble(); }};
          });
  for (const bool paged : {false, true})
    add(std::string("key_norm") + (paged ? "/paged:16" : "/contiguous"), [=] {
      auto in = std::make_shared<layer>(false, paged);
      return operation{static_cast<double>(in->keys.bytes()),
                       static_cast<double>(in->keys.bytes() + in->scores.bytes()),
                       [in](cudaStream_t s) { return in->key_norm(s); }, [in] { return in->trouble(); }};
    });
  add("rank_and_cut", [] {
    auto in = std::make_shared<upgrades>();
    return operation{0, in->moved_bytes(), [in](cudaStream_t s) { return in->run(s); },
                     [in] { return in->trouble(); }};
  });
}

} // namespace planecast_bench
