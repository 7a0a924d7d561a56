// How a block of threads codes a tile.
#pragma once

#include "planecast/cuda/detail/block_scalars.hpp"
#include "planecast/cuda/detail/block_tails.hpp"
#include "planecast/cuda/detail/columns.hpp"
#include "planecast/cuda/detail/encode_room.hpp"
#include "planecast/cuda/detail/find_extents.hpp"
#include "planecast/cuda/detail/group_finders.hpp"
#include "planecast/cuda/detail/plane_parts.hpp"
#include "planecast/cuda/detail/row_places.hpp"
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
  static constexpr std::uint32_t threads = 128; ///< of a block: each has more to do, and finds its place once
  static constexpr std::uint32_t blocks_held = encoders_held;

  /// What a thread knows of its tile, found once for all phases.
  struct thread_of;
  PLANECAST_HOST_DEVICE thread_of prepared(block_place at, std::byte* memory) const noexcept {
    const std::uint32_t page = at.block % to.pages();
    const layout_type layout = to.layout(page);
    return {*this,
            at,
            memory,
            layout,
            room(layout, keep),
            {at, layout.shape},
            to.first_of(page),
            at.block / to.pages()};
  }
  /// One phase: a step, of those that such a tile needs.
  template <std::uint32_t Phase>
  PLANECAST_HOST_DEVICE static void run(const thread_of& t) noexcept {
    constexpr step is = step_of(Phase);
    if constexpr (is == step::clear)
      t.clear();
    else if constexpr (is == step::read)
      t.read();
    else if constexpr (is == step::exponents)
      t.scalars().find_exponents();
    else if constexpr (is == step::extents)
      t.find_balanced_extents();
    else if constexpr (is == step::fit)
      t.scalars().fit();
    else if constexpr (is == step::code)
      t.code();
    else if constexpr (is == step::add_groups)
      t.tails().add_groups(t.stored_flag() != 0);
    else if constexpr (is == step::add_tokens)
      t.tails().add_tokens();
    else if constexpr (is == step::place)
      t.place();
    else
      t.write();
  }

  using extents = row_extents<Number, Q, Planes>;

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
    // Where a group's extent is.
    PLANECAST_HOST_DEVICE std::uint32_t* word_of(std::uint32_t token, std::uint32_t g) const noexcept {
      return room::alone(program.keep) ? part<std::uint32_t>(in.groups) + mine.padded(token, g) : nullptr;
    }
    PLANECAST_HOST_DEVICE block_scalars<Number, Q, Planes> scalars() const noexcept {
      return {at, memory, layout, in, mine, rows(), program.keep};
    }
    PLANECAST_HOST_DEVICE block_tails<Q, Planes> tails() const noexcept { return {at, memory, in, mine}; }
    PLANECAST_HOST_DEVICE std::byte* kept(std::uint32_t token, std::uint32_t g) const noexcept {
      return memory + in.values + 16 * (token * mine.groups + g);
    }
    PLANECAST_HOST_DEVICE row_places<const std::byte> places() const noexcept {
      return {program.from, memory + in.places};
    }
    PLANECAST_HOST_DEVICE extents rows() const noexcept {
      return {layout, room::alone(program.keep), part<int>(in.least), part<int>(in.greatest),
              part<std::uint32_t>(in.any)};
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
      return load_packed<Number>(places().template of<Number>(token) + g * Number::bits, program.whole);
    }
    PLANECAST_HOST_DEVICE packed_patterns values(std::uint32_t token, std::uint32_t g) const noexcept {
      if (!program.keep)
        return load(token, g);
      const auto words = load_aligned<four_words>(kept(token, g));
      return {{words.of[0], words.of[1], words.of[2], words.of[3]}};
    }

    PLANECAST_HOST_DEVICE void clear() const noexcept {
      places().find(at, first, mine.tokens, head);
      if constexpr (Planes::has_tail)
        tails().clear();
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
        constexpr std::uint32_t batch = 4; // so many are on their way to a thread at once
        for (std::uint32_t token = mine.first_token; token < mine.tokens; token += batch * mine.token_step) {
          packed_patterns x[batch];
          PLANECAST_DEVICE_UNROLL
          for (std::uint32_t i = 0; i < batch; ++i)
            x[i] = load(min(token + i * mine.token_step, mine.tokens - 1), g);
          PLANECAST_DEVICE_UNROLL
          for (std::uint32_t i = 0; i < batch; ++i)
            if (const std::uint32_t is = token + i * mine.token_step; is < mine.tokens)
              take_in(found, x[i], is, g);
        }
        if constexpr (balancing_quantizer<Q>)
          found.finish(part<std::uint32_t>(in.sizes), g);
        else
          found.finish(rows());
      }
    }
    template <class Finder>
    PLANECAST_HOST_DEVICE void take_in(Finder& found, const packed_patterns& x, std::uint32_t token,
                                       std::uint32_t g) const noexcept {
      if (program.keep)
        store_aligned(kept(token, g), four_words{{x.two[0], x.two[1], x.two[2], x.two[3]}});
      const bool finite = all_finite<Number>(x);
      if (!finite)
        meet_or(odd_flag(), 1);
      if constexpr (balancing_quantizer<Q>)
        found.add(x);
      else
        found.add(rows(), x, finite, token, g, word_of(token, g));
    }
    PLANECAST_HOST_DEVICE void find_balanced_extents() const noexcept {
      if (stored_flag() != 0)
        return;
      each([](std::uint32_t) { return 0; },
           [this](int, std::uint32_t token, std::uint32_t g) {
             balanced_extents<Number, Q, Planes>::add(rows(), values(token, g), memory + in.prefix, token, g,
                                                      word_of(token, g));
           });
    }

    using finders = column_finders<Number, Q, Planes>;
    PLANECAST_HOST_DEVICE finders finders_of(std::uint32_t g) const noexcept {
      return {layout, program.keep ? memory + in.finders : nullptr, memory + in.prefix, g};
    }
    PLANECAST_HOST_DEVICE coded_group coded(finders& by, bool odd, std::uint32_t token, std::uint32_t g,
                                            const packed_patterns& x) const noexcept {
      by.move_to(token);
      if (odd && !all_finite<Number>(x))
        return code_any_group<Number>(layout, memory + in.prefix, token, g, x);
      return code_group(by, x);
    }
    PLANECAST_HOST_DEVICE void code() const noexcept {
      if (stored_flag() != 0)
        return;
      const bool odd = odd_flag() != 0;
      each([this](std::uint32_t g) { return finders_of(g); },
           [this, odd](finders& by, std::uint32_t token, std::uint32_t g) {
             const coded_group group = coded(by, odd, token, g, values(token, g));
             store_codes(layout, tile(), token, g, group.codes);
             if constexpr (Planes::has_tail) {
               tails().tell(token, g, group.bits[0], group.bits[1]);
               if (program.keep)
                 store_aligned(kept(token, g), group_tails{{group.tails[0], group.tails[1]}});
             }
           });
    }

    PLANECAST_HOST_DEVICE std::uint32_t tail_bytes() const noexcept {
      if constexpr (Planes::has_tail)
        return tails().bytes();
      else
        return 0;
    }
    PLANECAST_HOST_DEVICE bool stored() const noexcept {
      return stored_flag() != 0 || layout.tails_at() + tail_bytes() > layout.stored_bytes();
    }
    PLANECAST_HOST_DEVICE void place() const noexcept {
      if (stored())
        return;
      const bool odd = odd_flag() != 0;
      each([this](std::uint32_t g) { return finders_of(g); },
           [this, odd](finders& by, std::uint32_t token, std::uint32_t g) {
             if (program.keep)
               return tails().place(token, g, load_aligned<group_tails>(kept(token, g)));
             const coded_group group = coded(by, odd, token, g, load(token, g));
             tails().place(token, g, {{group.tails[0], group.tails[1]}});
           });
    }

    PLANECAST_HOST_DEVICE void write() const noexcept {
      const bool as_it_is = stored();
      const std::uint32_t of_tails = as_it_is ? 0 : tail_bytes();
      std::uint32_t* const ends = program.to.ends_of(at.block);
      for (std::uint32_t t = at.thread; t < layout.shape.tokens; t += at.threads)
        ends[t] = as_it_is || !Planes::has_tail ? 0 : tails().end(t);
      if (at.thread == 0)
        program.to.coded[at.block] = {as_it_is ? layout.stored_bytes() : layout.tails_at() + of_tails,
                                      as_it_is};
      for (std::uint32_t i = at.thread; i < tile_header_bytes / 4; i += at.threads)
        store_aligned(tile() + 4 * i, i > 0 ? 0u : as_it_is ? std::uint32_t{stored_tile} : of_tails);
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
        tails().write(tile(), layout.tails_at());
    }
  };
};

} // namespace planecast::inline v0::detail
