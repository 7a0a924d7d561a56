// Which tiers a model tolerates: a value, and its text.
#pragma once

#include "planecast/cache/fingerprint.hpp"
#include "planecast/decode/probe_subject.hpp"
#include "planecast/policy/tier.hpp"
#include "planecast/status.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace planecast::inline v0 {

/// How one tier fared.
struct probed_tier {
  std::uint32_t bits = 0;   ///< of the code
  std::uint32_t trials = 0; ///< that counted
  std::uint32_t passed = 0; ///< of these: the needle was found on the coarse cache too
  /// Of the trials, those where the budget was below the base: the base alone was tried. Only the lowest tier
  /// has a budget.
  std::uint32_t base_alone = 0;
  friend bool operator==(const probed_tier&, const probed_tier&) = default;
};

/// A tier of a policy.
struct tolerated_tier {
  std::uint32_t index = 0; ///< as kv.tier() counts: for speculate_options::draft_from
  std::uint32_t bits = 0;  ///< of the code; `lossless` (0) for the original
  friend bool operator==(const tolerated_tier&, const tolerated_tier&) = default;
};

namespace detail {

using subject_number =
    std::uint64_t probe_subject::*; // by a name: else nvcc writes a warning of its own making
struct subject_field {
  const char* name;      // in the text
  subject_number member; // of the subject
  const char* about;     // in a status
};
inline constexpr std::array<subject_field, 9> subject_fields{{
    {"policy", &probe_subject::policy, "probe: the policy, by its fingerprint"},
    {"geometry", &probe_subject::geometry, "probe: the geometry, by its fingerprint"},
    {"model", &probe_subject::model, "probe: the model, by the caller's name of it"},
    {"tiers", &probe_subject::tiers, "probe: the tiers, a digit each"},
    {"trials", &probe_subject::trials, "probe: trials that must count"},
    {"must_pass", &probe_subject::must_pass, "probe: trials that must pass"},
    {"attempts", &probe_subject::attempts, "probe: needles at most"},
    {"share", &probe_subject::share, "probe: the budget, in millionths of raw"},
    {"places", &probe_subject::places, "probe: lengths and depths, by their fingerprint"},
}};

/// Takes a text to pieces from its front.
class text_front {
public:
  explicit text_front(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  bool word(std::string_view w) noexcept {
    if (!rest_.starts_with(w))
      return false;
    rest_.remove_prefix(w.size());
    return true;
  }
  template <class Number>
  bool number(Number& n) noexcept {
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
    if (error != std::errc{})
      return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  // "name number", and what comes behind.
  template <class Number>
  bool field(std::string_view name, Number& n, std::string_view behind) noexcept {
    return word(name) && word(" ") && number(n) && word(behind);
  }

private:
  std::string_view rest_;
};

} // namespace detail

/// What came of a probe: for each tier below lossless how often the needle was found. Plain; two are equal if
/// all of it is.
/// Example:
///
///     std::ofstream("qwen.probe") << verdict.save();
///     …
///     probe_verdict known;
///     if (const status s = known.load(text, probe_subject::of<policy>(shape, options)); !s)
///       log(s.message()); // probe anew: what was probed then is not what is at hand
struct probe_verdict {
  static constexpr std::uint64_t text_version = 1;     ///< of save()
  static constexpr std::size_t most_text_bytes = 4096; ///< more is no verdict

  probe_subject subject;          ///< what was probed
  std::uint32_t inconclusive = 0; ///< needles that were not found on the original cache: they say nothing
  std::vector<probed_tier> tiers; ///< those below lossless, from the lowest
  friend bool operator==(const probe_verdict&, const probe_verdict&) = default;

  /// Whether enough trials counted. If not, the model finds too few of these needles on its own cache: take
  /// shorter prompts, or easier needles.
  [[nodiscard]] bool conclusive() const noexcept {
    for (const probed_tier& t : tiers)
      if (t.trials < subject.trials)
        return false;
    return !tiers.empty();
  }
  /// Whether a tier passed. False for all tiers where the probe was not conclusive.
  /// Preconditions: index < tiers.size().
  [[nodiscard]] bool tolerates(std::size_t index) const noexcept {
    return conclusive() && tiers[index].passed >= subject.must_pass;
  }
  /// The lowest tier that is tolerated together with all above it, which a cache rises through. The original
  /// is always tolerated. Empty where the probe was not conclusive, or where none is and the policy does not
  /// reach the original.
  [[nodiscard]] std::optional<tolerated_tier> lowest() const noexcept {
    std::optional<tolerated_tier> found;
    if (!conclusive())
      return found;
    if (subject.tiers % 10 == static_cast<std::uint64_t>(lossless))
      found = {static_cast<std::uint32_t>(tiers.size()), static_cast<std::uint32_t>(lossless)};
    for (std::size_t i = tiers.size(); i > 0 && tolerates(i - 1); --i)
      found = {static_cast<std::uint32_t>(i - 1), tiers[i - 1].bits};
    return found;
  }

  /// A text for people and for load(): a line for each number, a checksum in the last.
  [[nodiscard]] std::string save() const {
    std::string text = "planecast-probe " + std::to_string(text_version) + '\n';
    for (const detail::subject_field& f : detail::subject_fields)
      text += f.name + (' ' + std::to_string(subject.*f.member)) + '\n';
    text += "inconclusive " + std::to_string(inconclusive) + '\n';
    for (std::size_t i = 0; i < tiers.size(); ++i)
      text += "tier " + std::to_string(tiers[i].bits) + " trials " + std::to_string(tiers[i].trials) +
              " passed " + std::to_string(tiers[i].passed) + " base_alone " +
              std::to_string(tiers[i].base_alone) +
              (!conclusive()  ? " undecided\n"
               : tolerates(i) ? " tolerated\n"
                              : " not_tolerated\n");
    return text + "sum " + std::to_string(name_fingerprint(text)) + '\n';
  }

  /// Takes a verdict from a text of any origin, if it is one of `expected`.
  /// Effects: none where the status is not ok.
  /// Errors: `mismatch`, with both values, for another version of the text, policy, geometry, model or
  /// options; `corrupt` for what save() did not write, or what was changed since; `limit` for a text that is
  /// too long.
  status load(std::string_view text, const probe_subject& expected);

private:
  // Between the subject and the sum.
  bool take_results(detail::text_front& in);
};

inline status probe_verdict::load(std::string_view text, const probe_subject& expected) {
  if (text.size() > most_text_bytes)
    return {errc::limit, "probe: bytes of a verdict's text", most_text_bytes, text.size()};
  const status bad{errc::corrupt, "probe: not a text that save() wrote, or one that was changed"};
  detail::text_front in(text);
  std::uint64_t version = 0, sum = 0;
  if (!in.field("planecast-probe", version, "\n"))
    return bad;
  if (version != text_version)
    return {errc::mismatch, "probe: version of the text", text_version, version};
  const std::size_t last = text.rfind("sum ");
  if (last == text.npos)
    return bad;
  detail::text_front end(text.substr(last));
  if (!end.field("sum", sum, "\n") || !end.at_end() || sum != name_fingerprint(text.substr(0, last)))
    return bad;
  probe_verdict found;
  for (const detail::subject_field& f : detail::subject_fields)
    if (!in.field(f.name, found.subject.*f.member, "\n"))
      return bad;
  for (const detail::subject_field& f : detail::subject_fields)
    if (expected.*f.member != found.subject.*f.member)
      return {errc::mismatch, f.about, expected.*f.member, found.subject.*f.member};
  if (!found.take_results(in) || found.save() != text) // there is one way to write a verdict
    return bad;
  *this = std::move(found);
  return {};
}

inline bool probe_verdict::take_results(detail::text_front& in) {
  if (!in.field("inconclusive", inconclusive, "\n"))
    return false;
  const std::string digits = std::to_string(subject.tiers);
  for (const char digit : digits) {
    if (digit == '0' + lossless)
      break;
    probed_tier& t = tiers.emplace_back();
    if (!in.field("tier", t.bits, " ") || !in.field("trials", t.trials, " ") ||
        !in.field("passed", t.passed, " ") || !in.field("base_alone", t.base_alone, " ") ||
        !(in.word("tolerated\n") || in.word("not_tolerated\n") || in.word("undecided\n")))
      return false;
    if (t.bits != static_cast<std::uint32_t>(digit - '0') || t.passed > t.trials || t.base_alone > t.trials ||
        t.trials != tiers.front().trials || t.trials > subject.trials ||
        std::uint64_t{t.trials} + inconclusive > subject.attempts)
      return false;
  }
  return true;
}

} // namespace planecast::inline v0
