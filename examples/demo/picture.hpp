// The timeline as a picture: SVG, 900 wide, a lane for each way.
#pragma once

#include "modes.hpp"
#include "units.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

/// Text as it may stand in XML. What is not ASCII becomes a question mark.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c >= ' ' && c <= '~' ? c : '?';
    }
  return out;
}

namespace detail {

inline constexpr int picture_width = 900, left = 150, right = 24, top = 124, lane = 150, gap = 16;
inline constexpr int words_height = 84, bytes_height = 44; // of a lane's two parts
inline constexpr std::array<const char*, 5> plane_colours = {"#3b6fb5", "#7fb0dd", "#c3dcf1", "#dfe9f3",
                                                             "#eceff3"};
inline constexpr const char* raw_colour = "#9aa3ad";
inline constexpr std::array<const char*, 4> tag_colours = {"#e3c58c", "#7aa7d9", "#2f8f5b", "#e58b7e"};

class picture {
public:
  picture(std::ostream& to, const std::vector<outcome>& all, const setting& how)
      : to_(to), all_(all), how_(how) {
    for (const outcome& o : all) {
      end_ = std::max(end_, o.happened.end);
      for (const timeline::word& w : o.happened.words)
        tokens_ = std::max(tokens_, w.what.index + 1);
    }
    if (!(end_ > 0))
      end_ = 1;
  }

  void write() {
    const int lanes = static_cast<int>(all_.size()), bottom = top + lanes * (lane + gap) - gap;
    to_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << picture_width << ' ' << bottom + 64
        << "\" width=\"" << picture_width << "\" height=\"" << bottom + 64
        << "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" "
           "fill=\"#2b3138\">\n"
        << "<title>A KV cache sent in four ways, and the text decoded on it</title>\n"
        << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    text(24, 32, "A KV cache crosses a slow link, four ways", "font-size=\"19\" font-weight=\"600\"");
    text(24, 52,
         std::to_string(how_.prompt_tokens) + " tokens, " +
             spoken_bytes(all_.empty() ? 0 : all_.front().raw_bytes) + " of BF16 over " +
             spoken(how_.link_bytes_per_second, "B/s") + ", " + with_digits(how_.latency_s * 1000, 1) +
             " ms; " + std::to_string(std::min<std::size_t>(how_.tokens, tokens_)) + " tokens decoded, " +
             with_digits(how_.step_s * 1000, 0) + " ms a pass or more",
         "fill=\"#5b6570\"");
    legend(24, 80);
    axis(bottom);
    for (std::size_t i = 0; i < all_.size(); ++i)
      draw(all_[i], top + static_cast<int>(i) * (lane + gap));
    to_ << "</svg>\n";
  }

private:
  static std::string n(double x) {
    std::string s = with_digits(x, 1);
    return s.ends_with(".0") ? s.substr(0, s.size() - 2) : s;
  }
  [[nodiscard]] double x(double seconds) const {
    return left + seconds / end_ * (picture_width - left - right);
  }
  void text(double at, double y, const std::string& what, const std::string& how = "") {
    to_ << "<text x=\"" << n(at) << "\" y=\"" << n(y) << "\" " << how << ">" << escaped(what) << "</text>\n";
  }
  void box(double at, double y, double width, double height, const std::string& colour,
           const std::string& how = "") {
    to_ << "<rect x=\"" << n(at) << "\" y=\"" << n(y) << "\" width=\"" << n(std::max(width, 0.1))
        << "\" height=\"" << n(height) << "\" fill=\"" << colour << "\" " << how << "/>\n";
  }

  void legend(double at, double y) {
    const auto entry = [&](const char* colour, const std::string& name) {
      box(at, y - 9, 11, 11, colour, "rx=\"2\"");
      text(at + 16, y, name);
      at += 32 + 6.4 * static_cast<double>(name.size());
    };
    text(at, y, "tokens", "fill=\"#5b6570\"");
    at += 52;
    entry(tag_colours[0], "drafted");
    entry(tag_colours[1], "verified at 8 bits");
    entry(tag_colours[2], "verified, exact");
    entry(tag_colours[3], "taken back");
    at = 24, y += 20;
    text(at, y, "bytes", "fill=\"#5b6570\"");
    at += 52;
    entry(raw_colour, "as they are");
    std::vector<std::string> names; // of the way with the most planes
    for (const outcome& o : all_)
      if (o.happened.planes.size() > names.size()) {
        names.clear();
        for (const timeline::plane& p : o.happened.planes)
          names.push_back(p.name);
      }
    for (std::size_t i = 0; i < names.size(); ++i)
      entry(plane_colours[i % plane_colours.size()], names[i]);
  }

  // Seconds below, with a line through all lanes for each.
  void axis(int bottom) {
    double step = 0.1;
    for (int i = 0; end_ / step > 9; ++i)
      step *= i % 3 == 1 ? 2.5 : 2;
    const int digits = step < 0.999 && std::abs(step * 10 - std::round(step * 10)) < 1e-9 ? 1
                       : step < 0.999                                                     ? 2
                                                                                          : 0;
    for (double t = 0; t <= end_ * 1.0001; t += step) {
      to_ << "<line x1=\"" << n(x(t)) << "\" x2=\"" << n(x(t)) << "\" y1=\"" << top << "\" y2=\""
          << bottom + 6 << "\" stroke=\"#e3e7eb\"/>\n";
      text(x(t), bottom + 22, with_digits(t, digits), "text-anchor=\"middle\" fill=\"#5b6570\"");
    }
    text((left + picture_width - right) / 2.0, bottom + 44, "seconds since the decode side was ready",
         "text-anchor=\"middle\" fill=\"#5b6570\"");
  }

  void draw(const outcome& o, int y) {
    text(24, y + 18, o.name, "font-size=\"15\" font-weight=\"600\"");
    const auto share =
        with_digits(100 * static_cast<double>(o.bytes_total) / static_cast<double>(o.raw_bytes), 0);
    text(24, y + 36, share + "% of raw sent", "font-size=\"11\" fill=\"#5b6570\"");
    text(24, y + 51, std::string("cache ") + (o.cache_equals_original ? "= original" : "differs"),
         std::string("font-size=\"11\" fill=\"") + (o.cache_equals_original ? "#2f8f5b\"" : "#cf3b3b\""));
    text(24, y + 66, std::string("text ") + (o.tokens_equal_original ? "= original" : "differs"),
         std::string("font-size=\"11\" fill=\"") + (o.tokens_equal_original ? "#2f8f5b\"" : "#cf3b3b\""));
    const int words_bottom = y + words_height, bytes_bottom = y + lane;
    for (const int line : {words_bottom, bytes_bottom})
      to_ << "<line x1=\"" << left << "\" x2=\"" << picture_width - right << "\" y1=\"" << line << "\" y2=\""
          << line << "\" stroke=\"#c3cad1\"/>\n";
    text(left - 8, words_bottom, "tokens", "text-anchor=\"end\" font-size=\"10\" fill=\"#8a939c\"");
    text(left - 8, bytes_bottom - bytes_height + 4, "raw",
         "text-anchor=\"end\" font-size=\"10\" fill=\"#8a939c\"");
    text(left - 8, bytes_bottom, "bytes", "text-anchor=\"end\" font-size=\"10\" fill=\"#8a939c\"");
    text(left, words_bottom + 14, o.text.substr(0, 100),
         "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"10.5\" fill=\"#5b6570\" "
         "xml:space=\"preserve\"");
    bytes(o, bytes_bottom);
    words(o, words_bottom);
    marks(o, words_bottom);
  }

  // Areas, one on the other: what has come of each plane. The lane's height is the raw cache.
  void bytes(const outcome& o, double bottom) {
    const double scale = bytes_height / static_cast<double>(std::max<std::uint64_t>(o.raw_bytes, 1));
    to_ << "<line x1=\"" << left << "\" x2=\"" << picture_width - right << "\" y1=\""
        << n(bottom - bytes_height) << "\" y2=\"" << n(bottom - bytes_height)
        << "\" stroke=\"#c3cad1\" stroke-dasharray=\"2 4\"/>\n";
    std::vector<std::uint64_t> below(o.happened.arrivals.size() + 1);
    for (std::size_t p = 0; p < o.happened.planes.size(); ++p) {
      std::vector<std::uint64_t> above = below;
      std::uint64_t sum = 0;
      std::size_t first = above.size(), i = 1;
      for (const timeline::arrival& a : o.happened.arrivals) {
        sum += a.plane == p ? a.bytes : 0;
        above[i] += sum;
        if (sum != 0)
          first = std::min(first, i);
        ++i;
      }
      if (sum == 0)
        continue;
      const auto point = [&](double t, std::uint64_t height) {
        to_ << n(x(std::min(t, end_))) << ',' << n(bottom - static_cast<double>(height) * scale) << ' ';
      };
      const auto time = [&](std::size_t k) { return k == 0 ? 0.0 : o.happened.arrivals[k - 1].at; };
      to_ << "<polygon fill=\""
          << (o.happened.planes.size() == 1 && o.name == "raw" ? raw_colour
                                                               : plane_colours[p % plane_colours.size()])
          << "\" points=\"";
      const std::size_t last = o.happened.arrivals.size();
      for (std::size_t k = first - 1; k <= last; ++k)
        point(time(k), above[k]);
      point(o.happened.end, above[last]);
      point(o.happened.end, below[last]);
      for (std::size_t k = last + 1; k-- > first - 1;)
        point(time(k), below[k]);
      to_ << "\"/>\n";
      below = above;
    }
  }

  // A row for each token, upwards: coloured by how sure it is, or by that it will be taken back. Rows that
  // change together are drawn together.
  void words(const outcome& o, double bottom) {
    struct run {
      double since = -1;
      std::size_t tag = 0;
    };
    struct area {
      double from, to;
      std::size_t tag, first, count;
    };
    std::vector<run> now(tokens_);
    std::vector<area> areas;
    const auto close = [&](std::size_t i, double at) {
      if (now[i].since < 0)
        return;
      if (!areas.empty()) {
        area& before = areas.back();
        if (before.tag == now[i].tag && before.from == now[i].since && before.to == at &&
            before.first + before.count == i) {
          ++before.count;
          return;
        }
      }
      areas.push_back({now[i].since, at, now[i].tag, i, 1});
    };
    for (const timeline::word& w : o.happened.words) {
      run& r = now[w.what.index];
      const bool gone = w.what.tag == planecast::token_tag::retracted;
      if (gone)
        r.tag =
            static_cast<std::size_t>(w.what.tag); // from when it was shown: what it was is not what counts
      close(w.what.index, w.at);
      r = {gone ? -1 : w.at, static_cast<std::size_t>(w.what.tag)};
    }
    for (std::size_t i = 0; i < now.size(); ++i)
      close(i, o.happened.end);
    const double row = (words_height - 22.0) / static_cast<double>(std::max<std::size_t>(tokens_, 1));
    for (const area& a : areas)
      box(x(a.from), bottom - row * static_cast<double>(a.first + a.count), x(a.to) - x(a.from),
          row * static_cast<double>(a.count) + 0.6,
          tag_colours[a.tag]); // a little over the row below: no seams
  }

  // When the second token, the first that is decoded, was there, and as how sure.
  void marks(const outcome& o, double bottom) {
    const std::array<std::optional<double>, 3> at = {o.first_drafted, o.first_verified_int8,
                                                     o.first_verified_exact};
    double free_from = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (!at[i])
        continue;
      const double here = x(*at[i]), y = bottom - words_height + 4;
      to_ << "<line x1=\"" << n(here) << "\" x2=\"" << n(here) << "\" y1=\"" << n(y + 8) << "\" y2=\""
          << n(bottom) << "\" stroke=\"" << tag_colours[i] << "\" stroke-width=\"1.5\"/>\n"
          << "<path d=\"M" << n(here - 5) << ' ' << n(y + 1) << "h10l-5 8z\" fill=\"" << tag_colours[i]
          << "\"/>\n";
      const double label = std::max(here + 8, free_from);
      text(label, y + 8, spoken_seconds(*at[i]), "font-size=\"11\"");
      free_from = label + 46;
    }
  }

  std::ostream& to_;
  const std::vector<outcome>& all_;
  const setting& how_;
  double end_ = 0;
  std::size_t tokens_ = 1;
};

} // namespace detail

inline void write_picture(std::ostream& to, const std::vector<outcome>& all, const setting& how) {
  detail::picture(to, all, how).write();
}

} // namespace demo
