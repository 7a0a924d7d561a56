// public_types INCLUDE_DIRECTORY UNIT_HPP: looks for the library's public types in its headers and says which
// of them unit.hpp does not compare between two units, so that a new type cannot be forgotten.
//
// A public type is a struct, class, union or enum in namespace planecast (not in detail), or a public one
// within such a type. The headers are formatted by clang-format, so their lines tell: what begins a line is
// at namespace level, what has two spaces before it is in a type at namespace level.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

// Public types that have no layout to compare, each with the reason.
const std::map<std::string, std::string> exceptions = {};

bool identifier(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
// The first word of a text, which is then behind it.
std::string_view word(std::string_view& text) {
  while (text.starts_with(' '))
    text.remove_prefix(1);
  const auto end = std::find_if_not(text.begin(), text.end(), identifier);
  const auto length = static_cast<std::size_t>(end - text.begin());
  const std::string_view found = text.substr(0, length);
  text.remove_prefix(length);
  return found;
}

// The type that a line declares or defines, and whether the line opens its body; else nothing.
struct declared {
  std::string name;
  bool is_class = false, opens = false;
};
declared declared_by(std::string_view line) {
  declared d;
  d.opens = !line.ends_with(';');
  std::string_view rest = line;
  std::string_view keyword = word(rest);
  if (keyword == "enum")
    if (std::string_view more = rest; word(more) == "class")
      rest = more;
  if (keyword != "struct" && keyword != "class" && keyword != "union" && keyword != "enum")
    return {};
  d.is_class = keyword == "class";
  while (rest.starts_with(" [[")) // [[nodiscard]]
    rest.remove_prefix(rest.find("]]") + 2);
  d.name = word(rest);
  return d;
}

class header {
public:
  explicit header(std::set<std::string>& types) : types_(types) {}

  void line(std::string_view text) {
    if (text.starts_with("namespace ")) {
      if (text.ends_with('{'))
        namespaces_.emplace_back(text.substr(10));
    } else if (text.starts_with("} // namespace") && !namespaces_.empty()) {
      namespaces_.pop_back();
    } else if (!in_planecast()) {
      return;
    } else if (text.starts_with('}')) {
      outer_.clear();
    } else if (text.starts_with("public:")) {
      is_public_ = true;
    } else if (text.starts_with("private:") || text.starts_with("protected:")) {
      is_public_ = false;
    } else if (const declared d = declared_by(text); d.name.empty() || text.starts_with("   ")) {
      return;
    } else if (!text.starts_with(' ')) {
      types_.insert(d.name);
      outer_ = d.opens ? d.name : "";
      is_public_ = !d.is_class;
    } else if (!outer_.empty() && is_public_) {
      types_.insert(outer_ + "::" + d.name);
    }
  }

private:
  [[nodiscard]] bool in_planecast() const {
    const auto is_detail = [](const std::string& n) { return n.find("detail") != n.npos; };
    return !namespaces_.empty() && namespaces_.front().starts_with("planecast") &&
           std::ranges::none_of(namespaces_, is_detail);
  }

  std::set<std::string>& types_;
  std::vector<std::string> namespaces_;
  std::string outer_; // the type at namespace level whose body this is
  bool is_public_ = false;
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The types that are listed: PLANECAST_TEST_…(pc::name<…>::inner, or after a parenthesis of members. What is
// in angle brackets does not count.
std::set<std::string> compared_in(std::string_view unit) {
  constexpr std::string_view entry = "PLANECAST_TEST_", prefix = "pc::";
  std::set<std::string> names;
  for (std::size_t at = unit.find(entry); at != unit.npos; at = unit.find(entry, at + 1)) {
    std::string_view rest = unit.substr(unit.find('(', at) + 1);
    if (rest.starts_with('('))
      rest.remove_prefix(rest.find(prefix));
    std::string name;
    int depth = 0;
    for (const char c : rest) {
      if (depth == 0 && (c == ',' || c == ')'))
        break;
      depth += c == '<' ? 1 : c == '>' ? -1 : 0;
      if (depth == 0 && c != '>')
        name += c;
    }
    if (name.starts_with(prefix))
      names.insert(name.substr(prefix.size()));
  }
  return names;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3)
    return 2;
  std::set<std::string> types;
  std::size_t headers = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[1])) {
    if (entry.path().extension() != ".hpp")
      continue;
    ++headers;
    std::ifstream in(entry.path());
    header h(types);
    for (std::string line; std::getline(in, line);)
      h.line(line);
  }
  const std::set<std::string> compared = compared_in(text_of(arguments[2]));
  int wrong = 0;
  const auto complain = [&wrong](const std::string& name, const char* what) {
    std::cout << name << ": " << what << '\n';
    ++wrong;
  };
  for (const std::string& name : types)
    if (!compared.contains(name) && !exceptions.contains(name))
      complain(name, "a public type that test/static/unit.hpp does not list");
  for (const std::string& name : compared)
    if (!types.contains(name))
      complain(name, "listed in test/static/unit.hpp, and no header has it");
  for (const auto& [name, reason] : exceptions)
    if (!types.contains(name) || compared.contains(name))
      complain(name, "an exception that is none any more");
  std::cout << types.size() << " public types in " << headers << " headers\n";
  return wrong == 0 && types.size() > 40 ? 0 : 1;
}
