// How a block of threads codes a tile.
#pragma once

#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/encode_room.hpp"
#include "planecast/cuda/detail/find_extents.hpp"
#include "planecast/cuda/detail/group_finders.hpp"
#include "planecast/cuda/device_rows.hpp"
#include "planecast/cuda/device_tiles.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace planecast::inline v0::detail {

/// A block codes the tile of its number. The rows are read once where the block's memory has room for them
/// (`keep`), else again for the codes and for the tails.
template <class Number, quantizer Q, class Planes>
struct encode_program {
  using layout_type = tile_layout<Q, Planes>;
  using room = encode_room<Q, Planes>; ///< where a block's memory holds what

  device_tiles<Q, Planes> to;
  device_rows<const std::byte> from;
  bool whole; ///< groups of channels lie at multiples of their bytes
  bool keep;

private:
  enum class step : std::uint8_t {
    clear,      // the block's memory
    read,       // the values; and the rows' extents, or the channels' sizes in a balanced tile
    exponents,  // of a balanced tile's channels
    extents,    // of its rows
    fit,        // the rows' scalars
    code,       // the planes, and what tails the groups have
    add_groups, // where they begin in the token's
    add_tokens, // where the tokens' end
    place,      // the tails
    write       // what the tile then is
  };
  static constexpr std::uint32_t balancing = balancing_quantizer<Q> ? 2 : 0,
                                 tailed = Planes::has_tail ? 3 : 0;
  PLANECAST_HOST_DEVICE static constexpr step step_of(std::uint32_t phase) noexcept {
    if (phase >= 2 && balancing == 0)
      phase += 2;
    return static_cast<step>(phase >= 6 && tailed == 0 ? phase + 3 : phase);
  }

public:
  static constexpr std::uint32_t phases = 5 + balancing + tailed;

  /// One phase: a step, of those that such a tile needs.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE void run(block_place at, std::byte* memory) const noexcept {
    constexpr step is = step_of(Phase);
    const std::uint32_t page = at.block % to.pages();
    const layout_type layout = to.layout(page);
    const thread_of t{*this,
                      at,
                      memory,
                      layout,
                      room(layout, keep),
                      {at, layout.shape},
                      to.first_of(page),
                      at.block / to.pages()};
    if constexpr (is == step::clear)
      t.clear();
    else if constexpr (is == step::read)
      t.read();
    else if constexpr (is == step::exponents)
      t.find_exponents();
    else if constexpr (is == step::extents)
      t.find_balanced_extents();
    else if constexpr (is == step::fit)
      t.fit();
    else if constexpr (is == step::code)
      t.code();
    else if constexpr (is == step::add_groups)
      t.add_groups();
    else if constexpr (is == step::add_tokens)
      t.add_tokens();
    else if constexpr (is == step::place)
      t.place();
    else
      t.write();
  }

private:
  using balance = balanced_cells<Number, Planes::code_bits>;
  using row_cells = cells<Number, Planes::code_bits>;
  using extents = row_extents<Number, Q, Planes>;

  struct alignas(16) kept_tails {
    std::uint64_t of[2];
  };

  struct thread_of {
    const encode_program& program;
    block_place at;
    std::byte* memory;
    layout_type layout;
    room in;
    columns mine;
    std::uint32_t first, head; // position of the tile's first token

    template <class T>
    PLANECAST_HOST_DEVICE T* part(std::uint32_t where) const noexcept {
      return reinterpret_cast<T*>(memory + where);
    }
    PLANECAST_HOST_DEVICE std::byte* tile() const noexcept { return program.to.tile(at.block); }
    PLANECAST_HOST_DEVICE std::uint32_t& stored_flag() const noexcept {
      return *part<std::uint32_t>(in.stored);
    }
    PLANECAST_HOST_DEVICE std::uint32_t& odd_flag() const noexcept { return *part<std::uint32_t>(in.odd); }
    PLANECAST_HOST_DEVICE std::uint32_t& of_group(std::uint32_t token, std::uint32_t g) const noexcept {
      return part<std::uint32_t>(in.groups)[mine.padded(token, g)];
    }
    PLANECAST_HOST_DEVICE std::byte* kept(std::uint32_t token, std::uint32_t g) const noexcept {
      return memory + in.values + 16 * (token * mine.groups + g);
    }
    PLANECAST_HOST_DEVICE extents rows() const noexcept {
      return {layout, part<int>(in.least), part<int>(in.greatest), part<std::uint32_t>(in.any)};
    }
    // Calls f(token, g) for the thread's groups.
    template <class Begin, class F>
    PLANECAST_HOST_DEVICE void each(const Begin& begin, const F& f) const noexcept {
      for (std::uint32_t g = mine.first_group; g < mine.groups; g += mine.group_step) {
        auto of_column = begin(g);
        PLANECAST_DEVICE_NO_UNROLL
        for (std::uint32_t token = mine.first_token; token < mine.tokens; token += mine.token_step)
          f(of_column, token, g);
      }
    }

    PLANECAST_HOST_DEVICE packed_patterns load(std::uint32_t token, std::uint32_t g) const noexcept {
      return load_packed<Number>(program.from.row(first + token, head, layout.value_bytes) + g * Number::bits,
                                 program.whole);
    }
    PLANECAST_HOST_DEVICE packed_patterns values(std::uint32_t token, std::uint32_t g) const noexcept {
      if (!program.keep)
        return load(token, g);
      const auto words = load_aligned<four_words>(kept(token, g));
      return {{words.of[0], words.of[1], words.of[2], words.of[3]}};
    }

    PLANECAST_HOST_DEVICE void clear() const noexcept {
      for (std::uint32_t i = at.thread; Planes::has_tail && i < (in.tail_bytes + 4) / 4; i += at.threads)
        part<std::uint32_t>(in.tails)[i] = 0;
      for (std::uint32_t i = at.thread; Planes::has_tail && i * room::sum_tokens < layout.shape.tokens;
           i += at.threads)
        part<std::uint32_t>(in.sums)[i] = 0;
      for (std::uint32_t i = at.thread; i < layout.rows(); i += at.threads)
        rows().clear(i);
      if constexpr (balancing_quantizer<Q>)
        for (std::uint32_t i = at.thread; i < layout.shape.dim; i += at.threads)
          part<std::uint32_t>(in.sizes)[i] = 0;
      for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
        part<std::uint32_t>(in.prefix)[i] = 0;
      if (at.thread == 0) {
        stored_flag() = layout.always_stored() || layout.tails_at() > layout.stored_bytes() ? 1 : 0;
        odd_flag() = 0;
      }
    }

    PLANECAST_HOST_DEVICE void read() const noexcept {
      if (stored_flag() != 0)
        return;
      using finder = std::conditional_t<balancing_quantizer<Q>, channel_sizes<Number>,
                                        column_extents<Number, Q, Planes>>;
      for (std::uint32_t g = mine.first_group; g < mine.groups; g += mine.group_step) {
        finder found;
        PLANECAST_DEVICE_UNROLL_FOUR
        for (std::uint32_t token = mine.first_token; token < mine.tokens; token += mine.token_step) {
          const packed_patterns x = load(token, g);
          if (program.keep)
            store_aligned(kept(token, g), four_words{{x.two[0], x.two[1], x.two[2], x.two[3]}});
          const bool finite = all_finite<Number>(x);
          if (!finite)
            odd_flag() = 1;
          if constexpr (balancing_quantizer<Q>)
            found.add(x, finite);
          else
            found.add(rows(), x, finite, token, g, of_group(token, g));
        }
        if constexpr (balancing_quantizer<Q>)
          found.finish(part<std::uint32_t>(in.sizes), g);
        else
          found.finish(rows(), g);
      }
    }
    PLANECAST_HOST_DEVICE void find_exponents() const noexcept {
      for (std::uint32_t c = at.thread; c < layout.shape.dim; c += at.threads) {
        const int exponent = balance::exponent_of(part<std::uint32_t>(in.sizes)[c]);
        if (exponent > balance::greatest_exponent)
          meet_or(stored_flag(), 1);
        memory[in.prefix + layout.exponent_at(c)] = static_cast<std::byte>(exponent);
      }
    }
    PLANECAST_HOST_DEVICE void find_balanced_extents() const noexcept {
      if (stored_flag() != 0)
        return;
      each([](std::uint32_t) { return 0; },
           [this](int, std::uint32_t token, std::uint32_t g) {
             balanced_extents<Number, Q, Planes>::add(rows(), values(token, g), memory + in.prefix, token, g,
                                                      of_group(token, g));
           });
    }

    PLANECAST_HOST_DEVICE void fit() const noexcept {
      if (stored_flag() != 0)
        return;
      if constexpr (rows_of_group<Q> == row_kind::one)
        for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
          typename extents::one of_row;
          std::uint32_t row = Q::scale_row(layout.shape, token, 0);
          for (std::uint32_t g = 0; g < mine.groups; ++g) {
            if (const std::uint32_t next = Q::scale_row(layout.shape, token, g * group_size); next != row) {
              fit_row(row, of_row);
              of_row = {};
              row = next;
            }
            of_row.add(of_group(token, g));
          }
          fit_row(row, of_row);
        }
      else
        for (std::uint32_t row = at.thread; row < layout.rows(); row += at.threads)
          fit_row(row, rows().of(row));
    }
    PLANECAST_HOST_DEVICE void fit_row(std::uint32_t row, typename extents::one e) const noexcept {
      std::uint16_t low = 0, width = 0;
      if constexpr (balancing_quantizer<Q>) {
        balance scalars;
        scalars.fit({e.least, e.greatest, rows().any_of(row)});
        low = static_cast<std::uint16_t>(scalars.low);
        width = scalars.step;
      } else {
        row_cells scalars;
        typename row_cells::extent of_row;
        if (e.least <= e.greatest)
          of_row = {static_cast<std::uint32_t>(e.least), static_cast<std::uint32_t>(e.greatest)};
        if (!scalars.fit(of_row))
          meet_or(stored_flag(), 1);
        low = scalars.low;
        width = scalars.step;
      }
      store_aligned(memory + in.prefix + layout.low_at(row), low);
      store_aligned(memory + in.prefix + layout.step_at(row), width);
      const thread_ruler<Number> r = row_ruler<Number, Q>(low, width);
      const auto f = cell_finder<Number>::of(r.low, r.step);
      store_aligned(memory + in.finders + sizeof(kept_finder) * row,
                    kept_finder{f.low, f.step, f.inverse, 0});
    }

    using finders = column_finders<Number, Q, Planes>;
    PLANECAST_HOST_DEVICE finders finders_of(std::uint32_t g) const noexcept {
      return {layout, memory + in.finders, memory + in.prefix, g};
    }
    PLANECAST_HOST_DEVICE coded_group coded(finders& by, std::uint32_t token, std::uint32_t g,
                                            const packed_patterns& x) const noexcept {
      by.move_to(token);
      if ((odd_flag() != 0 && !all_finite<Number>(x)) || (Planes::has_tail && !by.all_divide()))
        return code_any_group<Number>(layout, memory + in.prefix, token, g, x);
      return code_group(by, x);
    }
    PLANECAST_HOST_DEVICE void code() const noexcept {
      if (stored_flag() != 0)
        return;
      each([this](std::uint32_t g) { return finders_of(g); },
           [this](finders& by, std::uint32_t token, std::uint32_t g) {
             const coded_group group = coded(by, token, g, values(token, g));
             store_codes(layout, tile(), token, g, group.codes);
             if constexpr (Planes::has_tail) {
               of_group(token, g) = group.bits[0] << 16 | (group.bits[0] + group.bits[1]);
               if (program.keep)
                 store_aligned(kept(token, g), kept_tails{{group.tails[0], group.tails[1]}});
             }
           });
    }

    // Of a group: bits of the first four's tails << 16 | of all; later, << 16 | where they begin.
    PLANECAST_HOST_DEVICE void add_groups() const noexcept {
      const bool is_stored = stored_flag() != 0;
      for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
        std::uint32_t sum = 0;
        for (std::uint32_t g = 0; !is_stored && g < mine.groups; ++g) {
          std::uint32_t& bits = of_group(token, g);
          const std::uint32_t both = bits;
          bits = (both & 0xFFFF0000u) | sum;
          sum += both & 0xFFFFu;
        }
        part<std::uint32_t>(in.lengths)[token] = (sum + 7) / 8;
        meet_add(part<std::uint32_t>(in.sums)[token / room::sum_tokens], (sum + 7) / 8);
      }
    }
    PLANECAST_HOST_DEVICE void add_tokens() const noexcept {
      for (std::uint32_t token = at.thread; token < mine.tokens; token += at.threads) {
        std::uint32_t sum = 0;
        for (std::uint32_t i = 0; i < token / room::sum_tokens; ++i)
          sum += part<std::uint32_t>(in.sums)[i];
        for (std::uint32_t t = token / room::sum_tokens * room::sum_tokens; t <= token; ++t)
          sum += part<std::uint32_t>(in.lengths)[t];
        part<std::uint32_t>(in.ends)[token] = sum;
      }
    }
    PLANECAST_HOST_DEVICE std::uint32_t tail_bytes() const noexcept {
      if constexpr (Planes::has_tail)
        return part<std::uint32_t>(in.ends)[layout.shape.tokens - 1];
      else
        return 0;
    }
    PLANECAST_HOST_DEVICE bool stored() const noexcept {
      return stored_flag() != 0 || layout.tails_at() + tail_bytes() > layout.stored_bytes();
    }
    PLANECAST_HOST_DEVICE void place() const noexcept {
      if (stored())
        return;
      each([this](std::uint32_t g) { return finders_of(g); },
           [this](finders& by, std::uint32_t token, std::uint32_t g) {
             kept_tails tails;
             if (program.keep)
               tails = load_aligned<kept_tails>(kept(token, g));
             else {
               const coded_group group = coded(by, token, g, load(token, g));
               tails = {{group.tails[0], group.tails[1]}};
             }
             const std::uint32_t both = of_group(token, g),
                                 bit = 8 * (part<std::uint32_t>(in.ends)[token] -
                                            part<std::uint32_t>(in.lengths)[token]) +
                                       (both & 0xFFFFu);
             put(bit, tails.of[0]);
             put(bit + (both >> 16), tails.of[1]);
           });
    }
    PLANECAST_HOST_DEVICE void put(std::uint32_t bit, std::uint64_t bits) const noexcept {
      const auto low = static_cast<std::uint32_t>(bits), high = static_cast<std::uint32_t>(bits >> 32);
      std::uint32_t* const words = part<std::uint32_t>(in.tails) + bit / 32;
      const std::uint32_t by = bit % 32,
                          word[3] = {low << by, static_cast<std::uint32_t>((bits << by) >> 32),
                                     static_cast<std::uint32_t>(std::uint64_t{high} << by >> 32)};
      PLANECAST_DEVICE_UNROLL
      for (std::uint32_t i = 0; i < 3; ++i)
        if (word[i] != 0)
          meet_or(words[i], word[i]);
    }

    PLANECAST_HOST_DEVICE void write() const noexcept {
      const bool as_it_is = stored();
      const std::uint32_t tails = as_it_is ? 0 : tail_bytes();
      std::uint32_t* const ends = program.to.ends_of(at.block);
      for (std::uint32_t t = at.thread; t < layout.shape.tokens; t += at.threads)
        ends[t] = as_it_is || !Planes::has_tail ? 0 : part<std::uint32_t>(in.ends)[t];
      if (at.thread == 0)
        program.to.coded[at.block] = {as_it_is ? layout.stored_bytes() : layout.tails_at() + tails, as_it_is};
      for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
        store_aligned(tile() + 4 * i, i > 0 ? 0u : as_it_is ? std::uint32_t{stored_tile} : tails);
      if (as_it_is) {
        each([](std::uint32_t) { return 0; },
             [this](int, std::uint32_t token, std::uint32_t g) {
               store_packed<Number>(tile() + tile_header_bytes + Number::bits * (token * mine.groups + g),
                                    load(token, g), true);
             });
        return;
      }
      for (std::uint32_t i = tile_header_bytes / 4 + at.thread; i < layout.plane_at(0) / 4; i += at.threads)
        store_aligned(tile() + 4 * i, part<std::uint32_t>(in.prefix)[i]);
      if constexpr (Planes::has_tail)
        write_tails(tails);
    }
    // Up to a multiple of four bytes where they begin at one: decoders read words.
    PLANECAST_HOST_DEVICE void write_tails(std::uint32_t bytes) const noexcept {
      std::byte* const out = tile() + layout.tails_at();
      if (layout.tails_at() % 4 == 0)
        for (std::uint32_t i = at.thread; i < (bytes + 3) / 4; i += at.threads)
          store_aligned(out + 4 * i, part<std::uint32_t>(in.tails)[i]);
      else
        for (std::uint32_t i = at.thread; i < bytes; i += at.threads)
          out[i] = memory[in.tails + i];
    }
  };
};

} // namespace planecast::inline v0::detail
