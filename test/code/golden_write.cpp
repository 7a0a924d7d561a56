// Writes the golden vectors, each a text of its own: planecast-golden-write FOLDER
#include "planecast/cpu/cpu.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

namespace pc = planecast;

namespace {

std::uint64_t state = 1;
std::uint32_t noise() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::uint32_t>(state >> 33);
}
// About a bell curve, of width 1: the sum of twelve.
template <class Number>
std::uint16_t bell(float scale = 1, float centre = 0) {
  std::int32_t sum = 0;
  for (int i = 0; i < 12; ++i)
    sum += static_cast<std::int32_t>(noise() % 4096) - 2048;
  return Number::nearest((static_cast<float>(sum) / 4096 + centre) * scale);
}

template <class Number>
constexpr const char* name_of = Number::id == pc::number::bf16       ? "bf16"
                                : Number::id == pc::number::fp16     ? "fp16"
                                : Number::id == pc::number::fp8_e4m3 ? "e4m3"
                                                                     : "e5m2";
template <class Q>
constexpr const char* quantizer_name = "";
template <>
constexpr const char* quantizer_name<pc::per_channel<64>> = "per_channel";
template <>
constexpr const char* quantizer_name<pc::per_token> = "per_token";
template <>
constexpr const char* quantizer_name<pc::per_channel_groups<32, 16>> = "channel_groups 16";
template <>
constexpr const char* quantizer_name<pc::per_token_groups<24>> = "token_groups 24";
template <>
constexpr const char* quantizer_name<pc::balanced> = "balanced";
template <>
constexpr const char* quantizer_name<pc::verbatim> = "verbatim";

template <class Number, class Q, int... Widths>
void write(const std::string& folder, const std::string& name, pc::tile_shape shape,
           const std::function<std::uint16_t(std::uint32_t token, std::uint32_t channel)>& value) {
  using layout_planes = pc::planes<Widths...>;
  const pc::tile_layout<Q, layout_planes> layout{shape, pc::value_bytes(Number::id)};
  const auto step = static_cast<std::ptrdiff_t>(layout.value_bytes * shape.dim);
  std::vector<std::uint16_t> values;
  for (std::uint32_t i = 0; i < shape.values(); ++i)
    values.push_back(value(i / shape.dim, i % shape.dim));
  std::vector<std::byte> tile(layout.bound());
  std::vector<std::uint32_t> ends(shape.tokens);
  std::vector<std::byte> rows(values.size() * layout.value_bytes);
  for (std::uint32_t i = 0; i < values.size(); ++i)
    pc::detail::store_pattern<Number>(rows.data(), i, values[i]);
  const pc::encoded_tile coded =
      pc::cpu::encode(Number::id, layout, pc::source_rows{rows.data(), step}, tile.data(), ends.data());

  std::ofstream out(folder + "/" + name + ".txt");
  out << "dtype " << name_of<Number> << "\nquantizer " << quantizer_name<Q> << "\nplanes";
  ((out << ' ' << Widths), ...);
  out << "\ntokens " << shape.tokens << "\ndim " << shape.dim << "\nstored " << coded.stored << "\nvalues"
      << std::hex << std::setfill('0');
  const auto list = [&](const std::vector<std::uint16_t>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      out << (i % shape.dim % 16 == 0 ? '\n' : ' ') << std::setw(Number::bits / 4) << numbers[i];
  };
  list(values);
  out << "\ntile";
  for (std::size_t i = 0; i < coded.bytes; ++i)
    out << (i % 32 == 0 ? "\n" : i % 4 == 0 ? " " : "") << std::setw(2) << std::to_integer<unsigned>(tile[i]);
  for (std::uint32_t planes = 1; planes <= layout_planes::fixed && !coded.stored; ++planes) {
    std::vector<std::uint16_t> shown(values.size());
    pc::cpu::decode(Number::id, layout, tile.data(), 0, shape.tokens, planes,
                    pc::target_rows{rows.data(), step});
    for (std::uint32_t i = 0; i < values.size(); ++i)
      shown[i] = pc::detail::load_pattern<Number>(rows.data(), i);
    out << "\nplanes_shown " << planes;
    list(shown);
  }
  out << "\n";
  std::cout << name << ": " << coded.bytes << " bytes" << (coded.stored ? ", stored" : "") << "\n";
}

template <class Number>
void write_all(const std::string& folder, const std::string& dtype) {
  using keys = pc::per_channel<64>;
  constexpr std::uint16_t infinite = Number::id == pc::number::bf16 ? 0x7F80 : 0x7C00;
  const auto strange = [](std::uint32_t t, std::uint32_t c) {
    switch ((t * 32 + c) % 101) {
    case 5:
      return infinite;
    case 11:
      return static_cast<std::uint16_t>(infinite | 0x8000);
    case 17:
      return static_cast<std::uint16_t>(infinite + 1); // signalling
    case 23:
      return std::uint16_t{0xFFFF};
    case 29:
      return std::uint16_t{0x8000};
    case 31:
      return std::uint16_t{1};
    default:
      return bell<Number>();
    }
  };
  write<Number, keys, 4, 4, 0>(folder, dtype + "_keys_page", {64, 8}, [](std::uint32_t, std::uint32_t c) {
    return bell<Number>(c == 3 ? 16.f : 1.f, c == 3 ? 4.f : 0.f); // an outlier channel
  });
  write<Number, keys, 4, 4, 0>(
      folder, dtype + "_keys_7_tokens", {7, 16}, [](std::uint32_t t, std::uint32_t c) {
        return c % 4 == 0   ? std::uint16_t{0}                              // dead
               : c % 4 == 1 ? static_cast<std::uint16_t>(t % 2 * 0x8000)    // zeros of both signs
               : c % 8 != 7 ? static_cast<std::uint16_t>(0x3C00 + t % 2)    // one value apart
                            : static_cast<std::uint16_t>(noise() & 0x8007); // denormals of both signs
      });
  write<Number, keys, 4, 4, 0>(folder, dtype + "_keys_1_token_stored", {1, 8},
                               [](std::uint32_t, std::uint32_t) { return bell<Number>(); });
  write<Number, pc::per_token, 4, 4, 0>(folder, dtype + "_values_not_finite_among_numbers", {6, 32}, strange);
  write<Number, pc::per_token, 4, 4, 0>(
      folder, dtype + "_values_all_patterns_stored", {3, 16},
      [](std::uint32_t, std::uint32_t) { return static_cast<std::uint16_t>(noise()); });
  write<Number, pc::per_token, 4, 4, 0>(
      folder, dtype + "_values_lost_beside_others", {4, 16}, [](std::uint32_t t, std::uint32_t c) {
        return c == t ? static_cast<std::uint16_t>(1 + t % 2 * 0x8000)
                      : static_cast<std::uint16_t>(bell<Number>(256.f) & 0x7FFFu);
      });
  write<Number, pc::per_token, 2, 2, 2, 2, 0>(folder, dtype + "_values_planes_of_2", {7, 24}, strange);
  write<Number, keys, 8, 0>(folder, dtype + "_keys_plane_of_8", {16, 8}, [](std::uint32_t, std::uint32_t c) {
    return bell<Number>(1.f, static_cast<float>(c));
  });
  write<Number, pc::per_token, 4, 0>(folder, dtype + "_values_code_of_4", {5, 16},
                                     [](std::uint32_t, std::uint32_t) { return bell<Number>(1.f, 8.f); });
  write<Number, pc::per_token, 4, 4>(folder, dtype + "_values_without_tail", {5, 16},
                                     [](std::uint32_t, std::uint32_t) { return bell<Number>(); });
  // Without noise from here on, so that what is above stays as it is.
  write<Number, pc::per_token, 2, 0>(
      folder, dtype + "_values_code_of_2", {6, 16}, [](std::uint32_t t, std::uint32_t c) {
        return Number::nearest(static_cast<float>((t * 67 + c * 29) % 113) * 0.06f + 8.f);
      });
  const auto spread = [](float least) { // from `least` to its negative, in even steps
    return [least](std::uint32_t t, std::uint32_t c) {
      const auto step = static_cast<float>((t * 5 + c) % 16);
      return Number::nearest(least - least / 7.5f * step);
    };
  };
  const bool wide = Number::id == pc::number::bf16;
  write<Number, pc::per_token, 4, 4, 0>(folder, dtype + "_values_far_apart", {3, 16},
                                        spread(wide ? -0x1.FAp125f : -65504.f));
  if (wide)
    write<Number, pc::per_token, 4, 4, 0>(folder, dtype + "_values_too_far_apart_stored", {3, 16},
                                          spread(-0x1.FCp125f));
}

// What each dtype makes of each quantizer. Code and planes are the usual ones of the dtype.
template <class Number, int... Widths>
void write_quantizers(const std::string& folder) {
  const std::string dtype = name_of<Number>;
  const auto uneven = [](std::uint32_t t, std::uint32_t c) { // sizes differ by channel; some are not numbers
    if (c % 8 == 5)
      return static_cast<std::uint16_t>(noise() & Number::sign); // zeros of both signs
    if ((t * 40 + c) % 71 == 9)
      return static_cast<std::uint16_t>((Number::greatest + 1) | (noise() & Number::sign));
    return bell<Number>(c % 8 == 3 ? 16.f : c % 8 == 6 ? 0.02f : 1.f, c % 8 == 3 ? 1.f : 0.f);
  };
  const auto plain = [](std::uint32_t, std::uint32_t) { return bell<Number>(); };
  const auto groups = [](std::uint32_t t, std::uint32_t c) { // sizes differ by group, and one is not a number
    if (t == 3 && c == 7)
      return static_cast<std::uint16_t>(Number::greatest + 1);
    return bell<Number>(c / 24 == 1 ? 20.f : t / 16 == 1 ? 0.5f : 1.f, Number::bits == 8 ? 6.f : 0.f);
  };
  write<Number, pc::per_token_groups<24>, Widths...>(folder, dtype + "_token_groups", {5, 64}, groups);
  write<Number, pc::per_channel_groups<32, 16>, Widths...>(folder, dtype + "_channel_groups", {29, 16},
                                                           groups);
  write<Number, pc::balanced, Widths...>(folder, dtype + "_balanced", {9, 40}, uneven);
  write<Number, pc::balanced, Widths...>(folder, dtype + "_balanced_groups", {24, 40}, groups);
  write<Number, pc::balanced, Widths...>(folder, dtype + "_balanced_1_token", {1, 32}, plain);
  write<Number, pc::verbatim, Widths...>(folder, dtype + "_verbatim_stored", {3, 8}, plain);
  // Every row all zero but one, whose values are the least that there are.
  write<Number, pc::balanced, Widths...>(
      folder, dtype + "_balanced_least_values", {6, 24}, [](std::uint32_t t, std::uint32_t c) {
        return static_cast<std::uint16_t>(t == 4 && c % 5 != 0 ? (noise() & Number::sign) | (1 + c % 3) : 0);
      });
  if constexpr (Number::bits == 8) {
    write<Number, pc::per_channel<64>, Widths...>(folder, dtype + "_keys_page", {64, 8}, uneven);
    write<Number, pc::per_token, Widths...>(folder, dtype + "_values", {6, 64}, plain);
    write<Number, pc::per_token, 2, 2, 0>(folder, dtype + "_values_planes_of_2", {5, 64}, plain);
    write<Number, pc::per_token, 4>(folder, dtype + "_values_without_tail", {3, 64}, plain);
    write<Number, pc::per_token, 4, 4, 0>(folder, dtype + "_values_code_as_long_stored", {3, 16}, plain);
    write<Number, pc::per_token, Widths...>(
        folder, dtype + "_values_all_patterns_stored", {8, 32},
        [](std::uint32_t t, std::uint32_t c) { return static_cast<std::uint16_t>((t * 32 + c) * 77 % 256); });
    write<Number, pc::per_token, Widths...>(
        folder, dtype + "_values_far_apart", {3, 64}, [](std::uint32_t t, std::uint32_t c) {
          const std::uint32_t size = (t + c) % 7 == 0 ? Number::greatest : Number::greatest - c % 3;
          return static_cast<std::uint16_t>((c % 2 == 0 ? Number::sign : 0) | size);
        });
  } else
    write<Number, pc::balanced, Widths...>(
        folder, dtype + "_balanced_far_apart", {4, 32}, [](std::uint32_t t, std::uint32_t c) {
          return Number::nearest((c % 2 == 0 ? -1.f : 1.f) * static_cast<float>(1 + (t * 7 + c) % 16) *
                                 (Number::id == pc::number::bf16 ? 0x1p120f : 4094.f));
        });
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: planecast-golden-write FOLDER\n";
    return 2;
  }
  write_all<pc::bf16>(arguments[1], "bf16");
  write_all<pc::fp16>(arguments[1], "fp16");
  write_quantizers<pc::bf16, 4, 4, 0>(arguments[1]);
  write_quantizers<pc::fp16, 4, 4, 0>(arguments[1]);
  write_quantizers<pc::e4m3, 4, 0>(arguments[1]);
  write_quantizers<pc::e5m2, 4, 0>(arguments[1]);
  // An exponent above the greatest: the tile is stored.
  write<pc::bf16, pc::balanced, 4, 4, 0>(
      arguments[1], "bf16_balanced_too_far_apart_stored", {2, 32}, [](std::uint32_t t, std::uint32_t c) {
        return static_cast<std::uint16_t>(t == 1 && c == 7 ? 0x7E00 : 0x3F80 + c); // 2¹²⁵
      });
}
