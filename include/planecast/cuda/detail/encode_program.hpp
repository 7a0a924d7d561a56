// How a block of threads codes a tile.
#pragma once

#include "planecast/code/scalars.hpp"
#include "planecast/cuda/detail/encode_room.hpp"
#include "planecast/cuda/detail/groups.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>

namespace planecast::inline v0::detail {

/// A block codes the tile of its number. The rows are read once where the block's memory has room for them
/// (`keep`), else again for the codes and for the tails.
template <class Number, quantizer Q, class Planes>
struct encode_program {
  static constexpr std::uint32_t phases = 10; ///< see run()
  using layout_type = tile_layout<Q, Planes>;

  device_tiles<Q, Planes> to;
  device_rows<const std::byte> from;
  bool whole; ///< groups of channels lie at multiples of their bytes
  bool keep;

  using room = encode_room<Q, Planes>; ///< where a block's memory holds what

  /// Phase 0 clears, 1 and 2 find the channels' exponents, 3 the rows' extents and 4 their scalars; 5 codes,
  /// 6 and 7 say where each group's tails begin, 8 places them, 9 writes what the tile then is.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % to.pages();
    const layout_type layout = to.layout(page);
    const thread_of t{
        *this, at, memory, layout, room(layout, keep), to.first_of(page), at.block / to.pages()};
    if constexpr (Phase == 0)
      t.clear();
    else if constexpr (Phase == 1 && balancing_quantizer<Q>)
      t.find_sizes();
    else if constexpr (Phase == 2 && balancing_quantizer<Q>)
      t.find_exponents();
    else if constexpr (Phase == 3)
      t.find_extents();
    else if constexpr (Phase == 4)
      t.fit();
    else if constexpr (Phase == 5)
      t.code();
    else if constexpr (Phase == 6)
      t.add_groups();
    else if constexpr (Phase == 7)
      t.add_tokens();
    else if constexpr (Phase == 8)
      t.place_tails();
    else if constexpr (Phase == 9)
      t.write();
  }

private:
  using balance = balanced_cells<Number, Planes::code_bits>;
  using row_cells = cells<Number, Planes::code_bits>;

  struct thread_of {
    const encode_program& program;
    block_place at;
    std::byte* memory;
    layout_type layout;
    room in;
    std::uint32_t first, head; // position of the tile's first token

    template <class T>
    PLANECAST_HOST_DEVICE T* part(std::uint32_t where) const noexcept {
      return reinterpret_cast<T*>(memory + where);
    }
    PLANECAST_HOST_DEVICE std::uint32_t groups() const noexcept { return layout.shape.dim / group_size; }
    PLANECAST_HOST_DEVICE std::byte* tile() const noexcept { return program.to.tile(at.block); }

    PLANECAST_HOST_DEVICE patterns read(std::uint32_t token, std::uint32_t g) const noexcept {
      return load_group<Number>(program.from.row(first + token, head, layout.value_bytes) + g * Number::bits,
                                program.whole);
    }
    PLANECAST_HOST_DEVICE patterns values(std::uint32_t token, std::uint32_t g) const noexcept {
      if (!program.keep)
        return read(token, g);
      return load_aligned<aligned_patterns>(memory + in.values +
                                            2 * (token * layout.shape.dim + g * group_size))
          .is;
    }
    PLANECAST_HOST_DEVICE void clear() const noexcept {
      for (std::uint32_t i = at.thread; i < (in.tail_bytes + 4) / 4; i += at.threads)
        part<std::uint32_t>(in.tails)[i] = 0;
      for (std::uint32_t i = at.thread; i < layout.rows(); i += at.threads) {
        part<int>(in.least)[i] = 0x7FFFFFFF;
        part<int>(in.greatest)[i] = -0x7FFFFFFF;
        if constexpr (balancing_quantizer<Q>)
          part<std::uint32_t>(in.any)[i] = 0;
      }
      if constexpr (balancing_quantizer<Q>)
        for (std::uint32_t i = at.thread; i < layout.shape.dim; i += at.threads)
          part<std::uint32_t>(in.sizes)[i] = 0;
      for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
        part<std::uint32_t>(in.prefix)[i] = 0;
      if (at.thread == 0)
        *part<std::uint32_t>(in.stored) =
            layout.always_stored() || layout.tails_at() > layout.stored_bytes() ? 1 : 0;
      if (program.keep)
        for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads)
          store_aligned(memory + in.values + 2 * group_size * i,
                        aligned_patterns{read(i / groups(), i % groups())});
    }

    PLANECAST_HOST_DEVICE void find_sizes() const noexcept {
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads) {
        const patterns x = values(i / groups(), i % groups());
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group_size; ++k)
          if (Number::finite(x.of[k]))
            meet_max(part<std::uint32_t>(in.sizes)[i % groups() * group_size + k],
                     static_cast<std::uint32_t>(x.of[k] & (Number::sign - 1)));
      }
    }
    PLANECAST_HOST_DEVICE void find_exponents() const noexcept {
      for (std::uint32_t c = at.thread; c < layout.shape.dim; c += at.threads) {
        const int exponent = balance::exponent_of(part<std::uint32_t>(in.sizes)[c]);
        if (exponent > balance::greatest_exponent)
          meet_or(*part<std::uint32_t>(in.stored), 1);
        memory[in.prefix + layout.exponent_at(c)] = static_cast<std::byte>(exponent);
      }
    }

    PLANECAST_HOST_DEVICE void find_extents() const noexcept {
      if (*part<std::uint32_t>(in.stored) != 0)
        return;
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads) {
        const std::uint32_t token = i / groups(), g = i % groups();
        const patterns x = values(token, g);
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group_size; ++k) {
          const std::uint32_t c = g * group_size + k, row = Q::scale_row(layout.shape, token, c);
          if constexpr (balancing_quantizer<Q>) {
            typename balance::extent e;
            e.add(x.of[k], static_cast<std::int8_t>(memory[in.prefix + layout.exponent_at(c)]));
            if (e.least > e.greatest)
              continue;
            meet_min(part<int>(in.least)[row], e.least);
            meet_max(part<int>(in.greatest)[row], e.greatest);
            if (e.not_zero)
              meet_or(part<std::uint32_t>(in.any)[row], 1);
          } else if (Number::finite(x.of[k])) {
            const auto order = static_cast<int>(Number::order(x.of[k]));
            meet_min(part<int>(in.least)[row], order);
            meet_max(part<int>(in.greatest)[row], order);
          }
        }
      }
    }
    PLANECAST_HOST_DEVICE void fit() const noexcept {
      for (std::uint32_t row = at.thread; row < layout.rows(); row += at.threads) {
        const int least = part<int>(in.least)[row], greatest = part<int>(in.greatest)[row];
        std::uint16_t low = 0, step = 0;
        if constexpr (balancing_quantizer<Q>) {
          balance scalars;
          scalars.fit({least, greatest, part<std::uint32_t>(in.any)[row] != 0});
          low = static_cast<std::uint16_t>(scalars.low);
          step = scalars.step;
        } else {
          row_cells scalars;
          typename row_cells::extent e;
          if (least <= greatest)
            e = {static_cast<std::uint32_t>(least), static_cast<std::uint32_t>(greatest)};
          if (!scalars.fit(e))
            meet_or(*part<std::uint32_t>(in.stored), 1);
          low = scalars.low;
          step = scalars.step;
        }
        store_aligned(memory + in.prefix + layout.low_at(row), low);
        store_aligned(memory + in.prefix + layout.step_at(row), step);
      }
    }

    // A group's codes, and what their tails take.
    PLANECAST_HOST_DEVICE codes code_of(std::uint32_t token, std::uint32_t g, const patterns& x,
                                        std::uint32_t& bits) const noexcept {
      codes q;
      bits = 0;
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t k = 0; k < group_size; ++k) {
        const auto ruler = ruler_of<Number>(layout, memory + in.prefix, token, g * group_size + k);
        const std::uint32_t cell = ruler.code(Number::order(x.of[k]));
        q.of[k] = static_cast<std::uint8_t>(cell);
        if constexpr (Planes::has_tail)
          bits += ruler.tail_bits(cell);
      }
      return q;
    }
    PLANECAST_HOST_DEVICE void code() const noexcept {
      if (*part<std::uint32_t>(in.stored) != 0)
        return;
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads) {
        std::uint32_t bits = 0;
        const codes q = code_of(i / groups(), i % groups(), values(i / groups(), i % groups()), bits);
        store_planes(layout, tile(), i / groups(), i % groups(), q);
        if constexpr (Planes::has_tail)
          part<std::uint32_t>(in.bits)[i] = bits;
        if (program.keep)
          store_aligned(memory + in.code + group_size * i, aligned_codes{q});
      }
    }

    PLANECAST_HOST_DEVICE void add_groups() const noexcept {
      const bool tails = Planes::has_tail && *part<std::uint32_t>(in.stored) == 0;
      for (std::uint32_t token = at.thread; token < layout.shape.tokens; token += at.threads) {
        std::uint32_t sum = 0;
        for (std::uint32_t g = 0; tails && g < groups(); ++g) {
          std::uint32_t& bits = part<std::uint32_t>(in.bits)[token * groups() + g];
          const std::uint32_t of_group = bits;
          bits = sum;
          sum += of_group;
        }
        part<std::uint32_t>(in.lengths)[token] = (sum + 7) / 8;
      }
    }
    PLANECAST_HOST_DEVICE void add_tokens() const noexcept {
      for (std::uint32_t token = at.thread; token < layout.shape.tokens; token += at.threads) {
        std::uint32_t sum = 0;
        for (std::uint32_t t = 0; t <= token; ++t)
          sum += part<std::uint32_t>(in.lengths)[t];
        part<std::uint32_t>(in.ends)[token] = sum;
      }
    }

    PLANECAST_HOST_DEVICE std::uint32_t tail_bytes() const noexcept {
      return part<std::uint32_t>(in.ends)[layout.shape.tokens - 1];
    }
    PLANECAST_HOST_DEVICE bool stored() const noexcept {
      return *part<std::uint32_t>(in.stored) != 0 || layout.tails_at() + tail_bytes() > layout.stored_bytes();
    }
    PLANECAST_HOST_DEVICE void place_tails() const noexcept {
      if (!Planes::has_tail || stored())
        return;
      auto* const words = part<std::uint32_t>(in.tails);
      for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads) {
        const std::uint32_t token = i / groups(), g = i % groups();
        const patterns x = values(token, g);
        codes q;
        if (program.keep)
          q = load_aligned<aligned_codes>(memory + in.code + group_size * i).is;
        else {
          std::uint32_t bits = 0;
          q = code_of(token, g, x, bits);
        }
        const std::uint32_t bit =
            8 * (part<std::uint32_t>(in.ends)[token] - part<std::uint32_t>(in.lengths)[token]) +
            part<std::uint32_t>(in.bits)[i];
        std::uint32_t word = bit / 32, count = bit % 32;
        std::uint64_t held = 0;
        PLANECAST_DEVICE_UNROLL
        for (std::uint32_t k = 0; k < group_size; ++k) {
          const auto ruler = ruler_of<Number>(layout, memory + in.prefix, token, g * group_size + k);
          held |= std::uint64_t{Number::order(x.of[k]) - ruler.first(q.of[k])} << count;
          count += ruler.tail_bits(q.of[k]);
          if (count >= 32) {
            meet_or(words[word++], static_cast<std::uint32_t>(held));
            held >>= 32;
            count -= 32;
          }
        }
        if (count > 0)
          meet_or(words[word], static_cast<std::uint32_t>(held));
      }
    }

    PLANECAST_HOST_DEVICE void write() const noexcept {
      const bool as_it_is = stored();
      const std::uint32_t tails = as_it_is ? 0 : tail_bytes();
      std::uint32_t* const ends = program.to.ends_of(at.block);
      for (std::uint32_t t = at.thread; t < layout.shape.tokens; t += at.threads)
        ends[t] = as_it_is ? 0 : part<std::uint32_t>(in.ends)[t];
      if (at.thread == 0)
        program.to.coded[at.block] = {as_it_is ? layout.stored_bytes() : layout.tails_at() + tails, as_it_is};
      for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
        store_aligned(tile() + 4 * i, i > 0 ? 0u : as_it_is ? std::uint32_t{stored_tile} : tails);
      if (as_it_is) {
        for (std::uint32_t i = at.thread; i < layout.shape.tokens * groups(); i += at.threads)
          store_group<Number>(tile() + tile_header_bytes + Number::bits * i,
                              values(i / groups(), i % groups()), true);
        return;
      }
      for (std::uint32_t i = tile_header_bytes / 4 + at.thread; i < layout.plane_at(0) / 4; i += at.threads)
        store_aligned(tile() + 4 * i, part<std::uint32_t>(in.prefix)[i]);
      for (std::uint32_t i = at.thread; i < tails; i += at.threads)
        tile()[layout.tails_at() + i] = memory[in.tails + i];
    }
  };
};

} // namespace planecast::inline v0::detail
