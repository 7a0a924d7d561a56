// What came of it, for programs and for people.
#pragma once

#include "block.hpp"
#include "context.hpp"
#include "modes.hpp"
#include "units.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace demo {

using planecast_bench::quoted;

inline const char* name_of(planecast::token_tag tag) {
  constexpr const char* names[] = {"drafted", "verified_int8", "verified", "retracted"};
  return names[static_cast<std::size_t>(tag)];
}

/// Of the JSON. It goes up when a field changes or goes, not when one comes. Files from before there was one
/// lack seed, prompt, architecture, model_shape and finish, and are else the same. `answered` came later:
/// null where the prompt was not the demo's own.
inline constexpr int json_schema = 1;

/// `context`: where and when, lines of the object, as bench/context.hpp writes them.
inline void write_json(std::ostream& to, const std::vector<outcome>& all, const setting& how,
                       const std::string& context) {
  const auto field = [&](const std::string& name, const auto& value) {
    to << "\"" << name << "\": ";
    if (value)
      to << *value;
    else
      to << "null";
    to << ", ";
  };
  to.precision(12); // rates and times
  to << "{\n"
     << "  \"schema\": " << json_schema << ",\n"
     << context << ",\n  \"model\": " << quoted(how.model)
     << ", \"architecture\": " << quoted(how.architecture) << ",\n  \"model_shape\": {";
  for (const auto& fact : how.model_shape)
    to << (&fact == how.model_shape.data() ? "" : ", ") << quoted(fact.first) << ": " << fact.second;
  to << "},\n  \"policy\": " << quoted(how.policy)
     << ",\n  \"prompt\": " << (how.prompt.empty() ? "null" : quoted(how.prompt)) << ", \"seed\": ";
  if (how.prompt.empty())
    to << how.seed;
  else
    to << "null"; // it changes the demo's own prompt alone
  to << ",\n  \"prompt_tokens\": " << how.prompt_tokens << ", \"tokens\": " << how.tokens
     << ", \"budget\": " << how.budget << ",\n  \"link_bytes_per_second\": " << how.link_bytes_per_second
     << ", \"latency_s\": " << how.latency_s << ", \"step_s\": " << how.step_s << ",\n  \"modes\": [";
  for (const outcome& o : all) {
    to << (&o == all.data() ? "\n" : ",\n") << "  {\"name\": \"" << o.name << "\", "
       << "\"bytes_before_first_token\": " << o.bytes_before_first_token
       << ", \"bytes_total\": " << o.bytes_total << ", \"raw_bytes\": " << o.raw_bytes << ", ";
    field("first_drafted_s", o.first_drafted);
    field("first_verified_int8_s", o.first_verified_int8);
    field("first_verified_exact_s", o.first_verified_exact);
    for (const std::size_t n : {32u, 64u}) {
      const std::string token = "token_" + std::to_string(n);
      field(token + "_shown_s", time_of(o.happened, n, planecast::token_tag::drafted));
      field(token + "_verified_int8_s", time_of(o.happened, n, planecast::token_tag::verified_int8));
      field(token + "_verified_exact_s", time_of(o.happened, n, planecast::token_tag::verified));
    }
    field("drafted", o.drafted);
    field("accepted", o.accepted);
    to << std::boolalpha << "\"retracted\": " << retracted(o.happened)
       << ", \"cache_equals_original\": " << o.cache_equals_original
       << ", \"tokens_equal_original\": " << o.tokens_equal_original << ", ";
    field("answered", o.answered);
    to << "\"finish\": \"" << (o.ended ? "stop" : "length") << "\",\n   \"text\": " << quoted(o.text)
       << ", \"end_s\": " << o.happened.end << ",\n   \"planes\": [";
    for (const timeline::plane& p : o.happened.planes)
      to << (&p == o.happened.planes.data() ? "" : ", ") << "{\"name\": " << quoted(p.name)
         << ", \"bytes\": " << p.bytes << "}";
    to << "],\n   \"arrivals\": ["; // seconds when it was noticed, plane, bytes
    for (const timeline::arrival& a : o.happened.arrivals)
      to << (&a == o.happened.arrivals.data() ? "" : ", ") << "[" << a.at << ", " << a.plane << ", "
         << a.bytes << "]";
    to << "],\n   \"events\": ["; // of tokens: seconds, index in the text, token, what it became
    for (const timeline::word& w : o.happened.words)
      to << (&w == o.happened.words.data() ? "" : ", ") << "[" << w.at << ", " << w.what.index << ", "
         << w.what.id << ", \"" << name_of(w.what.tag) << "\"]";
    to << "]}";
  }
  to << "\n]}\n";
}

/// The table: a column for each way, or, where there is no room for that, one way below the other.
inline void write_table(std::ostream& to, const std::vector<outcome>& all, int columns) {
  const bool wide = columns >= 77, beside = columns >= 49;
  const int label = wide ? 32 : 14, cell = wide ? 11 : 8;
  std::vector<std::string> below(all.size()); // the same, for each way
  const auto row = [&](const char* whole, const char* brief, const auto& value) {
    std::ostringstream line;
    line << std::left << std::setw(label) << (wide ? whole : brief) << std::right;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string said = value(all[i]);
      line << std::setw(cell + (i + 1 == all.size() && !wide ? 2 : 0)) << said;
      std::ostringstream one;
      if (*brief == '\0')
        one << (i == 0 ? "" : "\n") << said;
      else
        one << "  " << std::left << std::setw(label) << brief << said;
      below[i] += one.str() + "\n";
    }
    if (beside)
      to << line.str() << "\n";
  };
  const auto time = [](const std::optional<double>& t) { return t ? spoken_seconds(*t) : std::string("-"); };
  const auto share = [](const outcome& o, std::uint64_t bytes) {
    return with_digits(static_cast<double>(bytes) / static_cast<double>(o.raw_bytes), 2);
  };
  const auto yes = [](bool b) { return b ? "yes" : "no"; };
  const auto at = [&](std::size_t n, planecast::token_tag tag) {
    return [=](const outcome& o) { return time(time_of(o.happened, n, tag)); };
  };
  row("", "", [](const outcome& o) { return o.name; });
  row("sent before decoding, of raw", "sent before",
      [&](auto& o) { return share(o, o.bytes_before_first_token); });
  row("sent in all", "sent in all", [&](auto& o) { return share(o, o.bytes_total); });
  row("first token, drafted", "1st drafted", [&](auto& o) { return time(o.first_drafted); });
  row("             verified at 8 bits", "    at 8 bits",
      [&](auto& o) { return time(o.first_verified_int8); });
  row("             verified, exact", "    exact", [&](auto& o) { return time(o.first_verified_exact); });
  for (const auto& [n, whole, brief] : {std::tuple(std::size_t{32}, "32nd token, shown", "32nd shown"),
                                        {64, "64th token, shown", "64th shown"}}) {
    bool reached = false;
    for (const outcome& o : all)
      reached = reached || time_of(o.happened, n, planecast::token_tag::drafted);
    if (!reached)
      continue;
    row(whole, brief, at(n, planecast::token_tag::drafted));
    row("             verified at 8 bits", "    at 8 bits", at(n, planecast::token_tag::verified_int8));
    row("             verified, exact", "    exact", at(n, planecast::token_tag::verified));
  }
  row("drafted tokens", "drafted",
      [](auto& o) { return o.drafted ? std::to_string(*o.drafted) : std::string("-"); });
  row("of them right", "right",
      [](auto& o) { return o.accepted ? std::to_string(*o.accepted) : std::string("-"); });
  row("cache equals the original", "cache equal", [&](auto& o) { return yes(o.cache_equals_original); });
  row("text equals the original", "text equal", [&](auto& o) { return yes(o.tokens_equal_original); });
  if (std::ranges::any_of(all, [](const outcome& o) { return o.answered.has_value(); }))
    row("answered with the hidden number", "answered",
        [&](auto& o) { return std::string(o.answered ? yes(*o.answered) : "-"); });
  if (!beside)
    for (const std::string& one : below)
      to << one;
}

/// What no run may come to, whatever the link and the model; empty if it did not. Raw and planecast end with
/// the original's cache, and so with its text.
inline std::string what_should_not_be(const std::vector<outcome>& all) {
  std::string text;
  const auto is_not = [&](const outcome& o, const char* what) {
    text +=
        (text.empty() ? "" : "; ") + o.name + ": the " + what + " is not the original's, which should not be";
  };
  for (const outcome& o : all) {
    if (o.name != "raw" && o.name != "planecast")
      continue;
    if (!o.cache_equals_original)
      is_not(o, "cache that came");
    if (!o.tokens_equal_original)
      is_not(o, "text");
  }
  return text;
}

/// What the table says, in words that fit its figures.
inline std::string conclusion(const std::vector<outcome>& all) {
  const auto find = [&](const char* name) -> const outcome* {
    for (const outcome& o : all)
      if (o.name == name)
        return &o;
    return nullptr;
  };
  const outcome *const raw = find("raw"), *const ours = find("planecast");
  if (raw == nullptr || ours == nullptr || !raw->first_verified_exact)
    return "";
  const auto begun = time_of(ours->happened, 2, planecast::token_tag::drafted);
  if (!begun || !ours->first_verified_exact)
    return "";
  std::string text = "planecast wrote from " + spoken_seconds(*begun) + " on, raw from " +
                     spoken_seconds(*raw->first_verified_exact) + " on. ";
  if (ours->drafted && ours->accepted)
    text += std::to_string(*ours->accepted) + " of its " + std::to_string(*ours->drafted) +
            " drafted tokens were right. ";
  if (!ours->cache_equals_original || !ours->tokens_equal_original)
    return text + "In the end its cache or its text is not the original's: this should not be.";
  text += "From " + spoken_seconds(*ours->first_verified_exact) +
          " on its text was the original's, token for token, and its cache, bit for bit, with " +
          with_digits(static_cast<double>(ours->bytes_total) / static_cast<double>(ours->raw_bytes), 2) +
          " of the bytes.";
  for (const char* name : {"int8", "int4"})
    if (const outcome* const other = find(name))
      if (const auto at = time_of(other->happened, 2, planecast::token_tag::drafted))
        text += std::string(" ") + name + " wrote from " + spoken_seconds(*at) +
                " on, never has the original cache, and its text is " +
                (other->tokens_equal_original                        ? "the same here."
                 : raw->answered == true && other->answered == false ? "another, without the hidden number."
                                                                     : "another.");
  return text;
}

} // namespace demo
