#include "engine.hpp"

#include "multiply.hpp"
#include "usual_floats.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace tiny {

namespace {

constexpr std::size_t tokens_at_once = 96; // that go through a layer side by side

token_id greatest(std::span<const float> logits) { // of equals the lowest
  std::size_t best = 0;
  for (std::size_t v = 1; v < logits.size(); ++v)
    if (logits[v] > logits[best])
      best = v;
  return static_cast<token_id>(best);
}

template <class T>
batch<T> rows(std::vector<float>& of, std::size_t stride, std::size_t count) {
  return {of.data(), stride, count};
}

} // namespace

engine::engine(std::shared_ptr<const model> m, engine_options options)
    : model_(std::move(m)), c_(model_->config()), options_(options),
      context_(std::min(options.context, c_.context)), kernels_(&kernels_of_this_machine(options.vectors)) {
  if (options.dtype != planecast::number::bf16 && options.dtype != planecast::number::fp16)
    throw std::invalid_argument("tiny: the cache is bf16 or fp16");
  if (context_ == 0 || options.block_size == 0 || options.threads == 0 || options.threads > 1024)
    throw std::invalid_argument("tiny: context, block_size and threads are at least 1, threads at most 1024");
  pool_ = std::make_unique<thread_pool>(options.threads);
  const auto blocks = static_cast<std::uint32_t>((context_ + options.block_size - 1) / options.block_size);
  block_table_.resize(blocks);
  std::iota(block_table_.begin(), block_table_.end(), 0u);
  std::uint64_t r = 77;
  for (std::uint32_t i = blocks; i > 1; --i) { // blocks lie anywhere, as a paged allocator leaves them
    r = r * 6364136223846793005u + 1442695040888963407u;
    std::swap(block_table_[i - 1], block_table_[(r >> 33) % i]);
  }
  const std::size_t values = std::size_t{blocks} * options.block_size * c_.kv_heads * c_.head_dim;
  keys_.assign(c_.layers, std::vector<std::uint16_t>(values));
  values_ = keys_;
  heads_.resize(c_.kv_heads);
  rooms_.resize(pool_->size());
}

token_id engine::prefill(std::span<const token_id> prompt,
                         const std::function<void(std::uint32_t)>& after_layer) {
  if (position_ != 0)
    throw std::invalid_argument("tiny: prefill needs an empty cache");
  check(prompt.size());
  for (head_room& h : heads_)
    h.importance.assign(prompt.size(), 0.0f);
  token_id first = 0;
  pass(
      prompt, 1,
      [&](std::size_t at, batch<const float> x) {
        run_heads(at, x, {&first, 1});
      },
      prompt.size() - std::min<std::size_t>(prompt.size(), options_.window), after_layer);
  importance_.assign(prompt.size(), 0.0f);
  for (const head_room& h : heads_)
    for (std::size_t t = 0; t < prompt.size(); ++t)
      importance_[t] += h.importance[t];
  return first;
}

void engine::adopt(std::size_t n) {
  check(n);
  position_ = n;
}

void engine::forward(std::span<const token_id> run, std::span<float> logits) {
  if (logits.size() != run.size() * c_.vocab)
    throw std::invalid_argument("tiny: logits for another number of tokens");
  pass(run, run.size(),
       [&](std::size_t first, batch<const float> x) {
         multiply({model_->head(), {}}, x, {&logits[first * c_.vocab], c_.vocab, x.count});
       },
       nobody, {});
}

token_id engine::step(token_id t) {
  token_id next = 0;
  verify({&t, 1}, {&next, 1});
  return next;
}

void engine::verify(std::span<const token_id> run, std::span<token_id> next) {
  if (run.size() != next.size())
    throw std::invalid_argument("tiny: tokens and results of different number");
  pass(run, run.size(), [&](std::size_t first, batch<const float> x) { run_heads(first, x, next); }, nobody,
       {});
}

void engine::truncate(std::size_t n) {
  if (n > position_)
    throw std::invalid_argument("tiny: truncate beyond the end");
  position_ = n;
}

planecast::kv_view engine::view(std::uint32_t layer, std::uint32_t tokens) const {
  return {keys_.at(layer).data(), strides(), values_[layer].data(), strides(), slots(tokens)};
}
planecast::kv_pages engine::pages(std::uint32_t layer, std::uint32_t tokens) {
  return {keys_.at(layer).data(), strides(), values_[layer].data(), strides(), slots(tokens)};
}

planecast::kv_strides engine::strides() const {
  const std::ptrdiff_t token = static_cast<std::ptrdiff_t>(c_.kv_heads) * c_.head_dim;
  return {token, c_.head_dim, token * options_.block_size, options_.block_size};
}
planecast::token_slots engine::slots(std::uint32_t tokens) const {
  check(tokens);
  std::vector<std::int64_t> mapping(tokens);
  for (std::uint32_t t = 0; t < tokens; ++t)
    mapping[t] = static_cast<std::int64_t>(slot(t));
  return planecast::token_slots(mapping);
}
std::size_t engine::slot(std::size_t t) const {
  return std::size_t{block_table_[t / options_.block_size]} * options_.block_size + t % options_.block_size;
}
void engine::check(std::size_t tokens) const {
  if (tokens > context_)
    throw std::length_error("tiny: the context of " + std::to_string(context_) + " tokens is full");
}

// Feeds run at position(); `then` gets the last hidden states, normalized, of the last `wanted` tokens, a
// part at a time. The attention of the queries from `watched` on counts for importance.
void engine::pass(std::span<const token_id> run, std::size_t wanted, const heads_of& then,
                  std::size_t watched, const std::function<void(std::uint32_t)>& after_layer) {
  if (run.empty())
    throw std::invalid_argument("tiny: empty run");
  check(run.size() > context_ ? run.size() : position_ + run.size());
  const usual_floats mode;
  embed(run);
  for (std::uint32_t l = 0; l < c_.layers; ++l) {
    for (std::size_t first = 0; first < run.size(); first += tokens_at_once)
      layer(l, first, std::min(tokens_at_once, run.size() - first), watched);
    if (after_layer)
      after_layer(l);
  }
  position_ += run.size();
  for (std::size_t first = 0; first < wanted; first += tokens_at_once) {
    const std::size_t count = std::min(tokens_at_once, wanted - first), at = run.size() - wanted + first;
    for (std::size_t i = 0; i < count; ++i)
      kernels_->normalize(&stream_[(at + i) * c_.width], model_->norm().data(), c_.norm_eps, c_.width,
                          &normed_[i * c_.width]);
    then(first, rows<const float>(normed_, c_.width, count));
  }
}

void engine::embed(std::span<const token_id> run) {
  for (const token_id t : run)
    if (t < 0 || static_cast<std::uint32_t>(t) >= c_.vocab)
      throw std::out_of_range("tiny: there is no token " + std::to_string(t));
  const std::size_t n = std::min(run.size(), tokens_at_once);
  const auto room = [](std::vector<float>& v, std::size_t size) {
    if (v.size() < size)
      v.resize(size);
  };
  room(stream_, run.size() * c_.width);
  room(normed_, n * c_.width);
  room(queries_, n * c_.query_heads * c_.head_dim);
  for (auto* const v : {&new_keys_, &new_values_})
    room(*v, n * c_.kv_heads * c_.head_dim);
  for (auto* const v : {&gates_, &ups_})
    room(*v, n * c_.inner);
  for (auto* const v : {&cosines_, &sines_})
    room(*v, c_.head_dim / 2);
  const matrix& e = model_->embeddings();
  for (std::size_t i = 0; i < run.size(); ++i)
    kernels_->widen(e.type, e.row(static_cast<std::size_t>(run[i])), c_.width, &stream_[i * c_.width]);
}

// Takes the run's tokens from `first` on through a layer, and their K and V into its cache.
void engine::layer(std::uint32_t l, std::size_t first, std::size_t count, std::size_t watched) {
  const model::layer& w = model_->layers()[l];
  const std::size_t width = c_.width, queries = std::size_t{c_.query_heads} * c_.head_dim,
                    keys = std::size_t{c_.kv_heads} * c_.head_dim;
  const auto normalize = [&](const std::vector<float>& weight) {
    for (std::size_t i = 0; i < count; ++i)
      kernels_->normalize(&stream_[(first + i) * width], weight.data(), c_.norm_eps, width,
                          &normed_[i * width]);
  };
  const auto add_normed = [&] {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < width; ++j)
        stream_[(first + i) * width + j] += normed_[i * width + j];
  };
  const auto normed = rows<const float>(normed_, width, count);

  normalize(w.attention_norm);
  multiply(w.query, normed, rows<float>(queries_, queries, count));
  multiply(w.key, normed, rows<float>(new_keys_, keys, count));
  multiply(w.value, normed, rows<float>(new_values_, keys, count));
  append(l, first, count);
  const auto head = [&](std::uint32_t h) { attend(l, h, first, count, watched); };
  const std::size_t products = 2 * count * (position_ + first + count) * queries;
  if (products < worth_sharing || pool_->size() == 1)
    for (std::uint32_t h = 0; h < c_.kv_heads; ++h)
      head(h);
  else
    pool_->run([&](unsigned part) {
      const usual_floats mode;
      for (std::uint32_t h = part; h < c_.kv_heads; h += pool_->size())
        head(h);
    });
  multiply(w.out, rows<const float>(queries_, queries, count), rows<float>(normed_, width, count));
  add_normed();

  normalize(w.mlp_norm);
  multiply(w.gate, normed, rows<float>(gates_, c_.inner, count));
  multiply(w.up, normed, rows<float>(ups_, c_.inner, count));
  kernels_->gate(gates_.data(), ups_.data(), count * c_.inner);
  multiply(w.down, rows<const float>(gates_, c_.inner, count), rows<float>(normed_, width, count));
  add_normed();
}

// Turns new queries and keys by their positions; K and V go into the pages.
void engine::append(std::uint32_t l, std::size_t first, std::size_t count) {
  const std::size_t dim = c_.head_dim, queries = c_.query_heads * dim, keys = c_.kv_heads * dim;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t position = position_ + first + i, at = slot(position) * keys;
    model_->positions().at(position, cosines_, sines_);
    for (std::size_t h = 0; h < c_.query_heads; ++h)
      rope::turn({&queries_[i * queries + h * dim], dim}, cosines_, sines_);
    for (std::size_t h = 0; h < c_.kv_heads; ++h)
      rope::turn({&new_keys_[i * keys + h * dim], dim}, cosines_, sines_);
    planecast::with_format(options_.dtype, [&](auto format) {
      for (std::size_t j = 0; j < keys; ++j) {
        keys_[l][at + j] = format.nearest(new_keys_[i * keys + j]);
        values_[l][at + j] = format.nearest(new_values_[i * keys + j]);
      }
    });
  }
}

// One head's first n keys and values from the pages, as floats.
void engine::gather(std::uint32_t l, std::uint32_t kv_head, std::size_t n, head_room& room) const {
  const std::size_t dim = c_.head_dim;
  const auto type = options_.dtype == planecast::number::bf16 ? weight_type::bf16 : weight_type::f16;
  for (auto* const v : {&room.keys, &room.values})
    if (v->size() < n * dim)
      v->resize(std::max(n * dim, std::min(2 * n, context_) * dim));
  constexpr std::size_t ahead = 8; // tokens; the processor cannot know in which block the next ones are
  for (std::size_t t = 0; t < n; ++t) {
    const std::size_t at = (slot(t) * c_.kv_heads + kv_head) * dim;
    const std::size_t then = (slot(std::min(t + ahead, n - 1)) * c_.kv_heads + kv_head) * dim;
    __builtin_prefetch(&keys_[l][then]);
    __builtin_prefetch(&values_[l][then]);
    kernels_->widen(type, reinterpret_cast<const std::byte*>(&keys_[l][at]), dim, &room.keys[t * dim]);
    kernels_->widen(type, reinterpret_cast<const std::byte*>(&values_[l][at]), dim, &room.values[t * dim]);
  }
}

// Replaces the queries of a KV head's group by what they draw from the values up to their own token's.
void engine::attend(std::uint32_t l, std::uint32_t kv_head, std::size_t first, std::size_t count,
                    std::size_t watched) {
  head_room& room = heads_[kv_head];
  const std::size_t dim = c_.head_dim, queries = c_.query_heads * dim, group = c_.query_heads / c_.kv_heads,
                    keys = position_ + first + count;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  gather(l, kv_head, keys, room);
  const matrix all_keys{reinterpret_cast<const std::byte*>(room.keys.data()), weight_type::f32,
                        static_cast<std::uint32_t>(keys), static_cast<std::uint32_t>(dim)};
  constexpr std::size_t some = 12; // queries' tokens at once
  for (std::size_t i = 0; i < count; i += some) {
    const std::size_t tokens = std::min(some, count - i), n = position_ + first + i + tokens;
    room.scores.resize(group * tokens * n);
    for (std::size_t g = 0; g < group; ++g)
      kernels_->multiply(all_keys, 0, n,
                         {&queries_[i * queries + (kv_head * group + g) * dim], queries, tokens},
                         {&room.scores[g * tokens * n], n, tokens}, room.gathered);
    for (std::size_t j = 0; j < tokens; ++j)
      for (std::size_t g = 0; g < group; ++g) {
        const std::size_t seen = position_ + first + i + j + 1;
        float* const scores = &room.scores[(g * tokens + j) * n];
        float* const to = &queries_[(i + j) * queries + (kv_head * group + g) * dim];
        const float share = 1.0f / kernels_->soften(scores, seen, scale);
        kernels_->mix(scores, seen, room.values.data(), dim, to);
        for (std::size_t k = 0; k < dim; ++k)
          to[k] *= share;
        if (watched != nobody && first + i + j >= watched)
          for (std::size_t t = 0; t < std::min(seen, room.importance.size()); ++t)
            room.importance[t] += share * scores[t];
      }
  }
}

void engine::multiply(const model::linear& w, batch<const float> x, batch<float> y) {
  tiny::multiply(*kernels_, *pool_, w.weights, w.bias, x, y, rooms_);
}

// The greedy tokens after some states, a few at a time: a large vocabulary's logits take room.
void engine::run_heads(std::size_t first, batch<const float> states, std::span<token_id> next) {
  constexpr std::size_t some = 12;
  for (std::size_t i = 0; i < states.count; i += some) {
    const std::size_t count = std::min(some, states.count - i);
    logits_.resize(std::max(logits_.size(), count * c_.vocab));
    multiply({model_->head(), {}}, {states[i], states.stride, count}, {logits_.data(), c_.vocab, count});
    for (std::size_t j = 0; j < count; ++j)
      next[first + i + j] = greatest({&logits_[j * c_.vocab], c_.vocab});
  }
}

} // namespace tiny
