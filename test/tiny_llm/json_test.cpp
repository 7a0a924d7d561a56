#include "tiny_llm/json.hpp"

#include <doctest/doctest.h>
#include <stdexcept>
#include <string>

namespace tiny_llm_json_test {

namespace {

using tiny::json;

json parsed(const std::string& text) {
  return json::parse(text, "here");
}

TEST_CASE("tiny: JSON is read") {
  const json j = parsed(
      " {\"a\": [1, -2.5e1, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\\\"\"], \"b\": {}, \"c\" :[ ]}\n");
  const json::array& a = *j.find("a")->as_array();
  REQUIRE(a.size() == 6);
  CHECK(a[0].as_number()->whole == 1);
  CHECK(a[1].as_number()->value == -25);
  CHECK(!a[1].as_number()->whole);
  CHECK(*a[2].as_bool());
  CHECK(!*a[3].as_bool());
  CHECK(a[4].is_null());
  CHECK(*a[5].as_string() == "x\xC3\xA9\xF0\x9F\x98\x80\n\"");
  CHECK(j.find("b")->as_object()->empty());
  CHECK(j.find("c")->as_array()->empty());
  CHECK(j.find("d") == nullptr);
  CHECK(parsed("18446744073709551615").as_number()->whole == 18446744073709551615u);
  CHECK(!parsed("18446744073709551616").as_number()->whole);
  CHECK(!parsed("1.0").as_number()->whole);
  CHECK(*parsed("\"\xF0\x9F\x98\x80\"").as_string() == "\xF0\x9F\x98\x80");
}

TEST_CASE("tiny: what is no JSON is refused, and said where") {
  for (const std::string text : {"",
                                 " ",
                                 "{",
                                 "[",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "{\"a\":1 \"b\":2}",
                                 "{\"a\":1,\"a\":2}",
                                 "\"",
                                 "\"\\",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u12g4\"",
                                 "\"\\ud800\"",
                                 "\"\\ud800x\"",
                                 "\"\\ud800\\u0041\"",
                                 "\"\\udc00\"",
                                 "\"\x01\"",
                                 "\"\x80\"",
                                 "\"\xC0\x80\"",
                                 "\"\xED\xA0\x80\"",
                                 "\"\xF4\x90\x80\x80\"",
                                 "\"\xE2\x82\"",
                                 "tru",
                                 "nul",
                                 "True",
                                 "NaN",
                                 "Infinity",
                                 "-",
                                 "01",
                                 "-01",
                                 "1.",
                                 ".5",
                                 "1e",
                                 "1e+",
                                 "+1",
                                 "1e999",
                                 "0x10",
                                 "1 2",
                                 "[] x",
                                 "/* */ 1",
                                 "'a'"}) {
    CAPTURE(text);
    CHECK_THROWS_AS((void)parsed(text), std::runtime_error);
  }
  CHECK_THROWS_WITH((void)parsed("[1, x]"), "here: byte 4: expected a value");
  CHECK_THROWS_WITH((void)parsed("{\"a\": 1, \"a\": 2}"),
                    "here: byte 16: the name \"a\" stands twice in an object that ends here");
}

TEST_CASE("tiny: JSON has limits") {
  const std::string deep(json::max_depth, '['), back(json::max_depth, ']');
  CHECK(parsed(deep + back).as_array() != nullptr);
  CHECK_THROWS_AS((void)parsed("[" + deep + "1" + back + "]"), std::runtime_error);
  CHECK_THROWS_AS((void)parsed(std::string(1'000'000, '[')), std::runtime_error);
  std::string many = "[0";
  for (std::size_t i = 0; i < json::max_values; ++i)
    many += ",0";
  CHECK_THROWS_AS((void)parsed(many + "]"), std::runtime_error);
  CHECK(tiny::in_quotes("a\x1b[2Jb") == "\"a?[2Jb\"");
  CHECK(tiny::in_quotes(std::string(100, 'x')).size() == 85);
}

} // namespace

} // namespace tiny_llm_json_test
