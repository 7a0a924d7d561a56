// A second implementation of the receiving side, written from the documented layout alone. It shares no code
// with the library and includes none of it; slow, and meant to be plain. bf16 only, planes of 4, 4 and tail,
// keys per channel over pages of 64 tokens, values per token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace independent {

using bytes = std::vector<std::uint8_t>;

inline void require(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(std::string("not a stream as documented: ") + what);
}

/// Reads numbers from the front of some bytes.
class cursor {
public:
  explicit cursor(const bytes& from) : from_(from) {}
  std::uint64_t number(std::size_t length) {
    require(length <= left(), "cut short");
    std::uint64_t sum = 0;
    for (std::size_t i = length; i-- > 0;)
      sum = sum * 256 + from_[at_ + i];
    at_ += length;
    return sum;
  }
  bytes take(std::size_t length) {
    require(length <= left(), "cut short");
    at_ += length;
    return {from_.begin() + static_cast<std::ptrdiff_t>(at_ - length),
            from_.begin() + static_cast<std::ptrdiff_t>(at_)};
  }
  [[nodiscard]] std::size_t left() const { return from_.size() - at_; }

private:
  const bytes& from_;
  std::size_t at_ = 0;
};

/// NH with keys of splitmix64, blocks of 1024 bytes.
inline std::uint64_t checksum(const bytes& from) {
  std::uint64_t keys[256], state = 0x706C616E65636173u;
  for (std::uint64_t& key : keys) {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    key = (z ^ (z >> 31)) >> 32;
  }
  std::uint64_t hash = 0;
  for (std::size_t block = 0; block < from.size(); block += 1024) {
    bytes b(from.begin() + static_cast<std::ptrdiff_t>(block),
            from.begin() +
                static_cast<std::ptrdiff_t>(block + 1024 < from.size() ? block + 1024 : from.size()));
    while (b.size() % 32 != 0)
      b.push_back(0);
    std::vector<std::uint64_t> words;
    for (cursor c(b); c.left() > 0;)
      words.push_back(c.number(4));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < words.size(); ++i)
      if (i % 8 < 4)
        sum += ((words[i] + keys[i]) & 0xFFFFFFFFu) * ((words[i + 4] + keys[i + 4]) & 0xFFFFFFFFu);
    hash = hash * 0x9E3779B97F4A7C15u + sum;
  }
  return hash + from.size();
}

struct message {
  std::uint64_t kind, plane, request, sequence, first, count;
  std::uint64_t layer_first, layer_count, opening;
  bytes payload;
};

inline message parse(const bytes& all) {
  cursor c(all);
  require(c.number(4) == 0x54534350, "magic");
  require(c.number(2) == 3, "wire version");
  message m{};
  m.kind = c.number(1);
  m.plane = c.number(1);
  m.request = c.number(8);
  m.sequence = c.number(8);
  m.first = c.number(4);
  m.count = c.number(4);
  m.layer_first = c.number(2);
  m.layer_count = c.number(2);
  require(c.number(8) == 0, "zeros");
  const std::uint64_t length = c.number(4), sum = c.number(8);
  m.opening = c.number(4);
  const std::uint64_t of_header = checksum(bytes(all.begin(), all.begin() + 60));
  require(c.number(4) == ((of_header & 0xFFFFFFFFu) ^ of_header >> 32), "the header's checksum");
  m.payload = c.take(c.left());
  require(m.payload.size() == length, "the payload's length");
  require(checksum(m.payload) == sum, "the payload's checksum");
  return m;
}

/// FNV-1a over fields of eight bytes.
inline std::uint64_t fingerprint(const std::vector<std::uint64_t>& fields) {
  std::uint64_t hash = 14695981039346656037u;
  for (std::uint64_t f : fields)
    for (int i = 0; i < 8; ++i, f /= 256)
      hash = (hash ^ f % 256) * 1099511628211u;
  return hash;
}

/// Puts a cache together from the sender's messages. Layers and heads go by their numbers in the model.
class reader {
public:
  /// Of the model: the number of heads of each layer, which hello does not spell out.
  explicit reader(std::vector<std::uint64_t> heads_of_model) : model_(std::move(heads_of_model)) {}

  std::uint64_t key_dim = 0, value_dim = 0, request = 0;
  std::uint64_t layer_first = 0, layer_count = 0, rank = 0, ranks = 0; ///< the shard
  std::uint64_t tokens = 0, first = 0;                                 ///< of the request
  std::uint64_t opening = 0;                                           ///< the sender's number of the request
  std::uint64_t kept = 0;            ///< fingerprint of the tokens that are kept; 0 where none is dropped
  std::uint64_t light_upgrades = 0;  ///< as the plan says
  std::uint64_t light_bytes = 0;     ///< data lane, up to the last upgrade before the cut
  bool per_layer = false;            ///< whether the order tells layers apart
  std::vector<std::uint64_t> order;  ///< items by rank
  std::vector<std::uint64_t> stored; ///< layers of stored tiles

  void control(const bytes& all) {
    const message m = parse(all);
    require(m.sequence == control_++, "control frames are numbered");
    cursor c(m.payload);
    if (m.kind == 1) {
      require(m.sequence == 0 && m.payload.size() == 128 && m.opening == 0, "hello");
      require(c.number(8) == 1, "the sender's role");
      chunk_ = c.number(8);
      require(c.number(8) == 2, "bf16");
      require(c.number(8) == model_.size(), "the model's layers");
      bool alike = true;
      for (const std::uint64_t heads : model_)
        alike = alike && heads == model_[0];
      require(c.number(8) == (alike ? model_[0] : 0), "the model's heads");
      key_dim = c.number(8);
      value_dim = c.number(8);
      std::vector<std::uint64_t> shape{2, model_.size(), alike ? model_[0] : 0, key_dim, value_dim};
      if (!alike)
        shape.insert(shape.end(), model_.begin(), model_.end());
      require(c.number(8) == fingerprint(shape), "the geometry's fingerprint");
      require(c.number(8) == 64 && c.number(8) == 3, "pages and planes");
      const std::uint64_t tiers = fingerprint({3, 4, 8, 0}), planes = fingerprint({3, 4, 4, 0});
      require(c.number(8) == fingerprint({tiers, fingerprint({1, 64}), fingerprint({2}), planes, 64}),
              "the policy's fingerprint");
      layer_first = c.number(8);
      layer_count = c.number(8);
      require(layer_count > 0 && layer_first + layer_count <= model_.size(), "the shard's layers");
      rank = c.number(8);
      ranks = c.number(8);
      require(rank < ranks, "the shard's rank");
      require(c.number(8) == 0, "zeros");
    } else {
      require(m.kind == 2 && opening == 0, "one open");
      if (!m.payload.empty()) {
        kept = c.number(8);
        require(c.left() == 0 && kept != 0, "the fingerprint of kept tokens");
      }
      opening = m.opening;
      require(opening > 0, "openings are numbered from 1");
      request = m.request;
      tokens = m.count;
      first = m.first;
      require(first < tokens, "tokens to send");
    }
  }

  void data(const bytes& all) {
    const message m = parse(all);
    require(m.sequence == data_++, "data frames are numbered");
    require(m.request == request && m.opening == opening && opening > 0, "of the request, as it was opened");
    require(m.payload.size() <= chunk_, "no longer than was said");
    require(m.kind == 16 ? m.layer_count == 1 && m.layer_first >= layer_first &&
                               m.layer_first < layer_first + layer_count
                         : m.layer_first == layer_first && m.layer_count == layer_count,
            "a base frame is of one of the shard's layers, others are of all");
    bytes_ += all.size();
    cursor c(m.payload);
    switch (m.kind) {
    case 16:
      for (std::uint64_t index = m.first; index < m.first + m.count; ++index)
        base(m.layer_first, index, c);
      break;
    case 17:
      for (std::uint64_t r = m.first; r < m.first + m.count; ++r) {
        order.at(r) = c.number(4);
        require(order[r] < held_.size() && order[r] % tokens >= first, "an item that is sent");
      }
      light_bytes = bytes_;
      break;
    case 18: {
      light_upgrades = c.number(8);
      const std::uint64_t runs = c.number(4), listed = c.number(4), scope = c.number(4);
      require(scope < 2, "a scope");
      per_layer = scope == 1;
      held_.assign((per_layer ? layer_count : 1) * tokens, 1);
      require(listed <= held_.size() * 2, "no more ranks than upgrades");
      order.assign(listed, ~std::uint64_t{0});
      require(c.number(4) == 0, "zeros");
      for (std::uint64_t i = 0; i < runs; ++i) {
        const std::uint64_t plane = c.number(4), from = c.number(4), count = c.number(4);
        for (std::uint64_t r = from; r < from + count; ++r)
          planned_.emplace_back(plane, r);
      }
      break;
    }
    case 19:
      for (std::uint64_t r = m.first; r < m.first + m.count; ++r) {
        require(planned_.at(upgraded_) == std::pair(m.plane, r), "upgrades come as planned");
        ++upgraded_;
        require(held_.at(order.at(r))++ == m.plane, "a plane follows the one below it");
      }
      for (std::uint64_t layer = layer_first; layer < layer_first + layer_count; ++layer)
        for (std::uint64_t head = 0; head < heads(layer); ++head)
          for (const bool is_value : {false, true})
            for (std::uint64_t r = m.first; r < m.first + m.count; ++r)
              if (!per_layer || order[r] / tokens == layer - layer_first)
                row(layer, head, is_value, order[r] % tokens, m.plane, c);
      if (upgraded_ == light_upgrades)
        light_bytes = bytes_;
      break;
    default:
      require(false, "a kind of the data lane");
    }
    require(c.left() == 0, "nothing beyond");
  }

  [[nodiscard]] bool complete() const {
    return upgraded_ == (per_layer ? layer_count : 1) * (tokens - first) * 2;
  }
  /// Whether all that was planned came, and all of it before the cut.
  [[nodiscard]] bool complete_at_the_cut() const {
    return upgraded_ == planned_.size() && upgraded_ == light_upgrades && light_bytes == bytes_;
  }
  /// Planes that a token has.
  [[nodiscard]] std::uint64_t planes(std::uint64_t token) const { return held_.at(token); }

  /// How many heads of a layer are carried, and the first of them: an equal share, or one that neighbours
  /// share.
  [[nodiscard]] std::uint64_t heads(std::uint64_t layer) const {
    return model_.at(layer) > ranks ? model_[layer] / ranks : 1;
  }
  [[nodiscard]] std::uint64_t head_first(std::uint64_t layer) const {
    return model_.at(layer) * rank / ranks;
  }

  /// A value as it was, once everything has come.
  [[nodiscard]] std::uint16_t value(std::uint64_t layer, std::uint64_t head, bool is_value,
                                    std::uint64_t token, std::uint64_t channel) const {
    return tiles_.at({{layer, head - head_first(layer)}, {is_value, token / 64}})
        .exact.at(row_of(token) * dim(is_value) + channel);
  }

private:
  struct tile {
    bool stored = false;
    std::vector<std::uint64_t> low, step, high_nibble, low_nibble; // by scale row; by value
    std::vector<std::uint16_t> exact;                              // by value
  };
  using place = std::pair<std::pair<std::uint64_t, std::uint64_t>, std::pair<bool, std::uint64_t>>;

  [[nodiscard]] std::uint64_t dim(bool is_value) const { return is_value ? value_dim : key_dim; }
  [[nodiscard]] std::uint64_t pages() const { return (tokens + 63) / 64 - first / 64; }
  // Where a page begins, and where in it a token lies: pages are aligned to the sequence's beginning.
  [[nodiscard]] std::uint64_t begin_of(std::uint64_t page) const {
    return page * 64 > first ? page * 64 : first;
  }
  [[nodiscard]] std::uint64_t row_of(std::uint64_t token) const { return token - begin_of(token / 64); }

  void base(std::uint64_t layer, std::uint64_t index, cursor& c) {
    const std::uint64_t page = first / 64 + index % pages(), head = index / pages() / 2;
    require(head < heads(layer), "a head that is carried");
    const bool is_value = index / pages() % 2 == 1;
    const std::uint64_t end = tokens < page * 64 + 64 ? tokens : page * 64 + 64, n = end - begin_of(page),
                        rows = is_value ? n : dim(false);
    tile t;
    t.stored = c.number(4) == 0xFFFFFFFFu;
    require(c.number(4) + c.number(8) == 0, "zeros");
    t.exact.resize(n * dim(is_value));
    if (t.stored) {
      stored.push_back(layer);
      for (std::uint16_t& x : t.exact)
        x = static_cast<std::uint16_t>(c.number(2));
    } else {
      for (std::uint64_t r = 0; r < rows; ++r)
        t.low.push_back(c.number(2));
      for (std::uint64_t r = 0; r < rows; ++r)
        t.step.push_back(c.number(2));
      for (std::uint64_t i = 0; i < n * dim(is_value); i += 2) { // the lower nibble is the first value's
        const std::uint64_t both = c.number(1);
        t.high_nibble.push_back(both % 16);
        t.high_nibble.push_back(both / 16);
      }
      t.low_nibble.resize(t.high_nibble.size());
    }
    require(tiles_.emplace(place{{layer, head}, {is_value, page}}, t).second, "every tile once");
  }

  void row(std::uint64_t layer, std::uint64_t head, bool is_value, std::uint64_t token, std::uint64_t plane,
           cursor& c) {
    tile& t = tiles_.at({{layer, head}, {is_value, token / 64}});
    if (t.stored)
      return;
    const std::uint64_t begin = row_of(token) * dim(is_value), end = begin + dim(is_value);
    if (plane == 1) {
      for (std::uint64_t i = begin; i < end; i += 2) {
        const std::uint64_t both = c.number(1);
        t.low_nibble[i] = both % 16;
        t.low_nibble[i + 1] = both / 16;
      }
      return;
    }
    std::uint64_t held = 0, count = 0; // bits that were read and not used
    for (std::uint64_t i = begin; i < end; ++i) {
      const std::uint64_t r = is_value ? row_of(token) : i - begin;
      const std::uint64_t q = t.high_nibble[i] * 16 + t.low_nibble[i];
      const std::uint64_t from = boundary(q, t.low[r], t.step[r]), to = boundary(q + 1, t.low[r], t.step[r]);
      require(from < to, "a value is in a cell");
      std::uint64_t width = 0;
      while ((std::uint64_t{1} << width) < to - from)
        ++width;
      while (count < width) {
        held += c.number(1) << count;
        count += 8;
      }
      const std::uint64_t rest = held % (std::uint64_t{1} << width);
      held >>= width;
      count -= width;
      require(from + rest < to, "a tail stays in its cell");
      const std::uint64_t order_of_it = from + rest;
      t.exact[i] =
          static_cast<std::uint16_t>(order_of_it < 32768 ? 65535 - order_of_it : order_of_it - 32768);
    }
    require(held == 0, "padded with zeros");
  }

  // bf16 is the upper half of a float, and so it is written here: by its meaning.
  static float meaning(std::uint64_t pattern) {
    float size = static_cast<float>(pattern % 128) / 128;
    const std::uint64_t exponent = pattern / 128 % 256;
    std::int64_t e = exponent == 0 ? 1 : static_cast<std::int64_t>(exponent);
    size += exponent == 0 ? 0.0f : 1.0f;
    for (; e > 127; --e)
      size *= 2;
    for (; e < 127; ++e)
      size /= 2;
    return pattern >= 32768 ? -size : size;
  }
  // Where cell q begins, in the order of the patterns.
  static std::uint64_t boundary(std::uint64_t q, std::uint64_t low, std::uint64_t step) {
    const auto ordered = [](std::uint64_t p) { return p >= 32768 ? 65535 - p : p + 32768; };
    const bool zero = low % 32768 == 0;
    if (q == 0)
      return 0;
    if (q == 256)
      return 65536;
    if (step == 0)
      return q == 1 ? ordered(zero ? 32768 : low) : ordered(zero ? 0 : low) + 1;
    if (q == 1)
      return ordered(low);
    const float above = static_cast<float>(q - 1) * meaning(step); // exact
    const float at = meaning(low) + above;
    if (at == 0)
      return ordered(32768);
    std::uint64_t from = 127, to = 65535 - 127; // the orders of the infinities
    while (from < to) {
      const std::uint64_t middle = (from + to) / 2;
      const std::uint64_t pattern = middle < 32768 ? 65535 - middle : middle - 32768;
      if (meaning(pattern) >= at)
        to = middle;
      else
        from = middle + 1;
    }
    return from;
  }

  std::vector<std::uint64_t> model_; // heads by layer
  std::uint64_t chunk_ = 0, control_ = 0, data_ = 0, bytes_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> planned_; // plane, rank
  std::size_t upgraded_ = 0;
  std::vector<std::uint64_t> held_; // planes, by token
  std::map<place, tile> tiles_;
};

} // namespace independent
