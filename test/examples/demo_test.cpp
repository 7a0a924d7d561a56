// The demo's parts: what it is asked, what it draws, what it writes.
#include "planecast/transport/loopback.hpp"
#include "planecast/transport/socket.hpp"

#include "demo/block.hpp"
#include "demo/given.hpp"
#include "demo/meeting.hpp"
#include "demo/modes.hpp"
#include "demo/options.hpp"
#include "demo/picture.hpp"
#include "demo/prompt.hpp"
#include "demo/report.hpp"
#include "demo/result_file.hpp"
#include "demo/timeline.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace examples_demo_test {

namespace pc = planecast;
using pc::token_tag;

bool parsed(std::initializer_list<const char*> words, demo::options& o) {
  std::vector<std::string> all{"planecast-demo"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (std::string& word : all)
    pointers.push_back(word.data());
  return demo::parse(static_cast<int>(pointers.size()), pointers.data(), o);
}

std::string complaint(std::initializer_list<const char*> words) {
  demo::options o;
  try {
    (void)parsed(words, o);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("rates and times are read as people write them") {
  CHECK(demo::read_rate("10Gbit") == 1.25e9);
  CHECK(demo::read_rate("800Mbit/s") == 1e8);
  CHECK(demo::read_rate("2MB/s") == 2e6);
  CHECK(demo::read_rate("1.5 kB") == 1500);
  CHECK(demo::read_rate("64bit") == 8);
  for (const char* wrong : {"", "10", "fast", "10Gbits", "MB/s", "inf B", "nanMbit", "2XB", "2MB/h"})
    CHECK_FALSE(demo::read_rate(wrong));
  CHECK(demo::read_milliseconds("1ms") == 1);
  CHECK(demo::read_milliseconds("250us") == 0.25);
  CHECK(demo::read_milliseconds("0.5s") == 500);
  CHECK(demo::read_milliseconds("3") == 3);
  for (const char* wrong : {"", "ms", "1h", "nan", "1ms "})
    CHECK_FALSE(demo::read_milliseconds(wrong));
}

TEST_CASE("amounts are said in the unit that suits") {
  CHECK(demo::spoken_bytes(0) == "0 B");
  CHECK(demo::spoken_bytes(999) == "999 B");
  CHECK(demo::spoken_bytes(2097152) == "2.1 MB");
  CHECK(demo::spoken_bytes(999'960'000) == "1.0 GB");
  CHECK(demo::spoken(1.25e8, "B/s") == "125 MB/s");
  CHECK(demo::spoken_seconds(1.234) == "1.23 s");
}

TEST_CASE("options are read, or refused with a sentence that names them") {
  demo::options o;
  CHECK(parsed({"--tokens", "32", "--link", "8Mbit", "--latency", "2ms", "--budget", "0.4", "--role",
                "decode", "--peer", "[::1]:99"},
               o));
  CHECK(o.tokens == 32);
  CHECK(o.rate == 1e6);
  CHECK(o.latency_ms == 2);
  CHECK(o.budget == 0.4);
  CHECK(o.peer() == "[::1]:99");
  CHECK(o.host == "::1");
  CHECK_FALSE(o.ignore_eos);
  CHECK(parsed({"--ignore-eos", "--tokens", "4"}, o));
  CHECK(o.ignore_eos);
  CHECK_FALSE(o.unencrypted);
  CHECK_FALSE(parsed({"--help"}, o));
  CHECK_FALSE(parsed({"--tokens", "32", "-h"}, o));
  CHECK(complaint({"--tokens", "1"}) == "--tokens takes a number from 2 to 4000, not \"1\"");
  CHECK(complaint({"--tokens", "many"}).starts_with("--tokens takes"));
  CHECK(complaint({"--tokens"}) == "--tokens lacks its value; see --help");
  CHECK(complaint({"--json", ""}) == "--json lacks its value; see --help");
  CHECK(complaint({"--what", "1"}) == "--what is not known; see --help");
  CHECK(complaint({"--budget", "nan"}).starts_with("--budget takes a number from 0 to 2"));
  for (const char* name : {"--link", "--latency", "--step", "--role", "--peer", "--seed"})
    CHECK(complaint({name, "wrong"}).starts_with(std::string(name) + " takes"));
  CHECK(complaint({"--peer", "localhost:0"}).starts_with("--peer's port takes"));
  for (const char* wrong : {"[::1:99", "::1]:99", "[]:99", "[[::1]]:99"})
    CHECK(complaint({"--peer", wrong}).starts_with("--peer takes HOST:PORT"));
}

TEST_CASE("what makes no sense together is refused") {
  CHECK(complaint({"--peer", "127.0.0.1:7440"}).starts_with("--peer is for one side of two: say --role"));
  CHECK(complaint({"--peer", "127.0.0.1:7440", "--role", "decode", "--json", "x", "--svg", "y"}).empty());
  CHECK(complaint({"--role", "prefill", "--json", "x"}).starts_with("--json is for the decode side"));
  CHECK(complaint({"--svg", "x", "--role", "prefill"}).starts_with("--svg is for the decode side"));
}

pc::errc dialling(const std::string& host_port) {
  try {
    (void)pc::connect(host_port, {}, pc::deadline::passed());
  } catch (const pc::error& e) {
    return e.status().code;
  }
  return pc::errc::ok;
}

TEST_CASE("an address is bound and dialled as it is meant, with or without brackets") {
  using both = std::pair<const char*, const char*>;
  for (const both& b : {both("[::1]:1", "::1"), both("::1:1", "::1"), both("127.0.0.2:1", "127.0.0.2"),
                        both("localhost:1", "127.0.0.1")}) {
    demo::options o;
    CHECK(parsed({"--role", "decode", "--peer", b.first}, o));
    CHECK(pc::detail::address_of(o.host, false).to_string() == b.second); // what a listener binds
    // Nobody is at port 1, or the system lacks such addresses; but the address was understood.
    const pc::errc said = dialling(o.peer());
    CHECK((said == pc::errc::timeout || said == pc::errc::closed));
  }
}

TEST_CASE("the prefill process is given what the decode side was, but for its files") {
  std::vector<std::string> words{"demo", "--json",   "--svg",  "--ignore-eos", "--svg",
                                 "x",    "--commit", "--json", "--tokens",     "4"};
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  const auto given = demo::words_for_prefill(static_cast<int>(pointers.size()), pointers.data(), "[::1]:9");
  CHECK(given == std::vector<std::string>{"demo", "--ignore-eos", "--commit", "--json", "--tokens", "4",
                                          "--role", "prefill", "--peer", "[::1]:9"});
}

TEST_CASE("a result is there when it is complete, and not before") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("planecast-demo-test-" + std::to_string(getpid()));
  fs::create_directory(folder);
  const fs::path path = folder / "out", fresh = folder / "out.new";
  const auto holds = [&path] {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  demo::result_file("").write([](std::ostream&) { FAIL("there is no file"); });
  {
    const demo::result_file never(path.string());
    CHECK(fs::exists(fresh));
  }
  CHECK(fs::is_empty(folder));
  demo::result_file(path.string()).write([](std::ostream& to) { to << "one"; });
  CHECK(holds() == "one");
  {
    demo::result_file half(path.string());
    CHECK_THROWS_AS(half.write([](std::ostream&) { throw std::runtime_error("half"); }), std::runtime_error);
  }
  CHECK(holds() == "one");
  fs::create_symlink("out", folder / "link");
  demo::result_file((folder / "link").string()).write([](std::ostream& to) { to << "two"; });
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(holds() == "two");
  CHECK_FALSE(fs::exists(fresh));
  CHECK_THROWS_WITH(demo::result_file(folder.string()), doctest::Contains("cannot write "));
  CHECK_THROWS_WITH(demo::result_file((folder / "no" / "out").string()), doctest::Contains("cannot write "));
  fs::remove_all(folder);
}

TEST_CASE("help is at most 100 columns wide and names every option") {
  std::istringstream lines{std::string(demo::help)};
  for (std::string line; std::getline(lines, line);)
    CHECK_MESSAGE(line.size() <= 100, line);
  const auto named = [](std::string_view option) { // at the beginning of a line
    const std::size_t at = demo::help.find("\n  " + std::string(option) + ' ');
    return at != std::string_view::npos;
  };
  CHECK_FALSE(named("--what"));
  for (const std::string_view option : demo::valued)
    CHECK_MESSAGE(named(option), option);
  for (const std::string_view option : demo::flags)
    CHECK_MESSAGE(named(option), option);
}

TEST_CASE("a text answers if it begins with the hidden number") {
  CHECK(demo::answers("48213. So", 1) == true);
  CHECK(demo::answers("48213", 1) == true);
  CHECK(demo::answers("48214", 1) == false);
  CHECK(demo::answers("49", 1) == false);
  CHECK(demo::answers(" 48213", 1) == false);
  CHECK(demo::answers("48213.", 2) == false);
  CHECK_FALSE(demo::answers("4821", 1));
  CHECK_FALSE(demo::answers("", 1));
}

TEST_CASE("the default prompt hides the number that it asks for") {
  const std::string prompt = demo::default_prompt(1);
  CHECK(prompt.find(" The number of Zorilo is 48213.") != prompt.npos);
  CHECK(prompt.ends_with(" The number of Zorilo is "));
  CHECK(prompt.size() > 900);
  CHECK(prompt.size() < 1100);
  CHECK(demo::hidden_number(2) != demo::hidden_number(1));
  for (std::uint64_t seed = 1; seed < 100; ++seed)
    CHECK(demo::hidden_number(seed).size() == 5);
  CHECK(demo::tokens_of_numbers(" 1 22\n3\t", 23) == std::vector<pc::token_id>{1, 22, 3});
  CHECK_THROWS_WITH(demo::tokens_of_numbers("1 x", 23), doctest::Contains("\"x\" is none"));
  CHECK_THROWS_WITH(demo::tokens_of_numbers("23", 23), doctest::Contains("below 23"));
}

// Four tokens are drafted, verified at 8 bits but for the last two, of which one is replaced; then exact.
demo::timeline story() {
  demo::timeline t;
  t.planes = {{"4 bits", 400, 400}, {"+ 4 bits", 400, 200}};
  t.arrivals = {{0.1, 0, 400}, {0.4, 1, 200}};
  const auto add = [&](double at, std::size_t index, char c, token_tag tag) {
    t.words.push_back({at, {index, c, tag}});
  };
  add(0, 0, 'a', token_tag::verified);
  add(0.2, 1, 'b', token_tag::drafted);
  add(0.3, 2, 'c', token_tag::drafted);
  add(0.4, 3, 'd', token_tag::drafted);
  add(0.5, 3, 'd', token_tag::retracted);
  add(0.5, 2, 'c', token_tag::retracted);
  add(0.5, 1, 'b', token_tag::verified_int8);
  add(0.5, 2, 'x', token_tag::verified_int8);
  add(0.7, 1, 'b', token_tag::verified);
  add(0.7, 2, 'x', token_tag::verified);
  t.end = 0.8;
  return t;
}

TEST_CASE("a timeline knows its text, and when each token was how sure") {
  const demo::timeline t = story();
  CHECK(demo::retracted(t) == 2);
  CHECK(t.bytes() == 600);
  const auto text = demo::text_of(t);
  REQUIRE(text.size() == 3);
  CHECK(text[2].id == 'x');
  CHECK(text[2].tag == token_tag::verified);
  CHECK(demo::time_of(t, 2, token_tag::drafted) == 0.2);
  CHECK(demo::time_of(t, 2, token_tag::verified) == 0.7);
  CHECK(demo::time_of(t, 3, token_tag::drafted) == 0.5); // c came earlier, and did not stay
  CHECK(demo::time_of(t, 3, token_tag::verified_int8) == 0.5);
  CHECK_FALSE(demo::time_of(t, 4, token_tag::drafted));
}

// Without what moves no cursor; a character that takes several bytes counts as one.
std::size_t visible(const std::string& line) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '\x1b')
      i = line.find('m', i);
    else if ((static_cast<unsigned char>(line[i]) & 0xC0) != 0x80)
      ++n;
  return n;
}

demo::block a_block() {
  return {.name = "planecast",
          .what = "decoding begins on the first bits, the others follow",
          .raw_bytes = 1600,
          .now = 0.75,
          .state = "first token: drafted 0.20 s, verified at 8 bits 0.50 s, verified on the original 0.70 s",
          .spelled = [](pc::token_id t) { return std::string(1, static_cast<char>(t)); }};
}

TEST_CASE("what is drawn is never wider than the terminal, and no longer than it may be") {
  demo::timeline t = story();
  for (int i = 0; i < 300; ++i)
    t.words.push_back({0.8, {static_cast<std::size_t>(3 + i), i % 7 == 0 ? ' ' : 'w', token_tag::drafted}});
  for (const int columns : {30, 33, 49, 79, 119, 300})
    for (const bool utf8 : {true, false}) {
      const auto lines = demo::draw(a_block(), t, {.columns = columns, .text_rows = 3, .utf8 = utf8});
      CHECK(lines.size() <= 1 + 2 + 3 + 4);
      for (const std::string& line : lines)
        CHECK_MESSAGE(visible(line) <= static_cast<std::size_t>(columns), columns, ": ", line);
    }
}

TEST_CASE("bars are as full as what has come, and stand side by side") {
  const auto lines = demo::draw(a_block(), story(), {.columns = 62, .text_rows = 3, .utf8 = false});
  REQUIRE(lines.size() == 6);
  CHECK(lines[0].ends_with("0.75 s"));
  CHECK(lines[1].find("##########") != std::string::npos); // 400 of 1600 bytes in 40 columns
  CHECK(lines[1].find("###########") == std::string::npos);
  CHECK(lines[2].find(std::string(10, ' ')) != std::string::npos);
  CHECK(lines[2].find("#####") != std::string::npos);
  CHECK(lines[2].find(".....") != std::string::npos);
  CHECK(demo::bar(0, 1, 0.5, 3, "", true) == "█▌\x1b[0m\x1b[2m░\x1b[0m");
}

TEST_CASE("tokens that are taken back are struck out where they stood") {
  demo::timeline t = story();
  t.words.resize(6); // a b; c and d are gone
  demo::block b = a_block();
  b.ghosts = {{2, 'c'}, {3, 'd'}};
  const auto rows = demo::text_rows(b, t, 40, 3);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].find(std::string(demo::style::gone) + "cd") != std::string::npos);
  b.ghosts.clear();
  CHECK(demo::text_rows(b, t, 40, 3)[0].find("cd") == std::string::npos);
}

TEST_CASE("nothing that a token spells moves the cursor") {
  CHECK(demo::harmless("a\nb\x1b[2J\x7f\xC3\xA9") == "a b?[2J???");
}

std::vector<demo::outcome> outcomes() {
  demo::outcome raw, ours;
  raw.name = "raw";
  raw.raw_bytes = ours.raw_bytes = 1600;
  raw.bytes_before_first_token = raw.bytes_total = 1632;
  raw.first_verified_exact = 2;
  ours.name = "planecast";
  ours.happened = story();
  ours.first_drafted = 0.2;
  ours.first_verified_int8 = 0.5;
  ours.first_verified_exact = 0.7;
  ours.drafted = 3;
  ours.accepted = 1;
  ours.bytes_total = 800;
  ours.cache_equals_original = ours.tokens_equal_original = ours.ended = true;
  ours.text = "ab\"<&x\\\n";
  return {raw, ours};
}

TEST_CASE("the table fits the terminal") {
  auto all = outcomes();
  all.insert(all.begin() + 1, {all[0], all[0]});
  all[1].name = "int8";
  all[2].name = "int4";
  for (const int columns : {20, 48, 49, 76, 77, 80, 120}) {
    std::ostringstream to;
    demo::write_table(to, all, columns);
    std::istringstream lines(to.str());
    for (std::string line; std::getline(lines, line);)
      CHECK_MESSAGE(line.size() < static_cast<std::size_t>(std::max(columns, 26)), line);
    for (const char* part : {"raw", "int8", "int4", "planecast", "2.00 s", "0.70 s"}) // whatever the width
      CHECK_MESSAGE(to.str().find(part) != std::string::npos, columns, part);
  }
  CHECK(demo::conclusion(outcomes()).starts_with("planecast wrote from 0.20 s on, raw from 2.00 s on."));
  const auto answered = [&all] {
    std::ostringstream to;
    demo::write_table(to, all, 80);
    const std::size_t at = to.str().find("\nanswered with the hidden number");
    return at == std::string::npos ? "" : to.str().substr(at + 1, to.str().find('\n', at + 1) - at - 1);
  };
  CHECK(answered().empty()); // nothing was asked
  all[0].answered = all[1].answered = true;
  all[2].answered = false;
  CHECK(answered() == "answered with the hidden number         yes        yes         no          -");
  all[2].happened = story();
  CHECK(demo::conclusion(all).ends_with("int4 wrote from 0.20 s on, never has the original cache, and its "
                                        "text is another, without the hidden number."));
}

TEST_CASE("raw and planecast must end with the original's cache and text, the others need not") {
  auto all = outcomes();
  all[0].cache_equals_original = all[0].tokens_equal_original = true;
  all.insert(all.begin() + 1, demo::outcome());
  all[1].name = "int4";
  CHECK(demo::what_should_not_be(all).empty());
  for (const std::size_t way : {std::size_t{0}, std::size_t{2}})
    for (const bool cache : {true, false}) {
      auto bad = all;
      (cache ? bad[way].cache_equals_original : bad[way].tokens_equal_original) = false;
      CHECK(demo::what_should_not_be(bad) == bad[way].name +
                                                 (cache ? ": the cache that came" : ": the text") +
                                                 " is not the original's, which should not be");
    }
  all[2].cache_equals_original = all[2].tokens_equal_original = false;
  CHECK(demo::what_should_not_be(all).find("; planecast: the text is not") != std::string::npos);
}

TEST_CASE("the JSON has all that happened, and quotes what it must") {
  std::ostringstream to;
  demo::setting how{.model = "a \"model\"", .policy = "8"};
  auto all = outcomes();
  all[1].answered = true;
  how.model_shape = {{"layers", 4}, {"heads", 2}};
  how.seed = 7;
  demo::write_json(to, all, how, "  \"date\": \"\"");
  const std::string json = to.str();
  for (const char* part : {"{\n  \"schema\": 1,\n", "\"seed\": 7,", "\"prompt\": null",
                           "\"model_shape\": {\"layers\": 4, \"heads\": 2}", "\"model\": \"a \\\"model\\\"\"",
                           "\"text\": \"ab\\\"<&x\\\\\\u000a\"", "[0.5, 3, 100, \"retracted\"]",
                           "\"arrivals\": [[0.1, 0, 400], [0.4, 1, 200]]", "\"token_32_shown_s\": null",
                           "\"answered\": null, \"finish\"", "\"answered\": true, \"finish\"",
                           "\"retracted\": 2", "\"finish\": \"length\"", "\"finish\": \"stop\""})
    CHECK_MESSAGE(json.find(part) != json.npos, json);
  how.link_bytes_per_second = 1022976.5; // six digits would not do
  how.prompt = "a file";
  std::ostringstream of_a_file;
  demo::write_json(of_a_file, {}, how, "");
  CHECK(of_a_file.str().find("\"prompt\": \"a file\", \"seed\": null,") != std::string::npos);
  CHECK(of_a_file.str().find("\"link_bytes_per_second\": 1022976.5,") != std::string::npos);
}

TEST_CASE("what was run is quoted in the JSON, whatever it is called") {
  const std::string context = planecast_bench::context("a \"b\" \\ c\n");
  CHECK_MESSAGE(context.find("\"commit\": \"a \\\"b\\\" \\\\ c\\u000a\",\n") != context.npos, context);
  CHECK(context.find("\"processor\": " + demo::quoted(planecast_bench::processor()) + ", \"cores\": ") !=
        context.npos);
}

TEST_CASE("two sides tell each other what they were given, and what differs is said") {
  const demo::given one{{"the model", "m"}, {"--policy", "8"}}, two{{"the model", "m"}, {"--policy", "5"}};
  CHECK(demo::read_given(demo::written(one)) == one);
  CHECK(demo::differences(one, one).empty());
  CHECK(demo::differences(one, two) == "\n  --policy: 8 here, 5 there");
  CHECK(demo::differences({}, {{"x", "1"}}) == "\n  x: nothing here, 1 there");
  CHECK(demo::differences({{"x", "1"}}, {}) == "\n  x: 1 here, nothing there");
  const std::string begin(demo::given_begins);
  for (const std::string& wrong : {std::string(), begin.substr(1), begin + "x", begin + "x\n",
                                   begin + "x\ny\tz", begin + std::string(demo::most_given, 'x') + "\ty\n"})
    CHECK_MESSAGE(!demo::read_given(wrong), wrong);
  const auto bad = demo::read_given(begin + "a\x1b[2J\tb\x07\n");
  REQUIRE(bad);
  CHECK(*bad == demo::given{{"a?[2J", "b?"}});
}

TEST_CASE("a meeting carries short messages, and notices when the other side is gone") {
  using namespace std::chrono_literals;
  auto [a, b] = pc::loopback::pair();
  demo::meeting here(std::move(a), "prefill");
  auto there = std::make_unique<demo::meeting<pc::loopback>>(std::move(b), "decode");
  CHECK_FALSE(here.hear(pc::deadline::passed()));
  there->say("one"); // each is heard before the next: this link keeps nothing
  CHECK(here.hear(1s) == "one");
  there->say(demo::written({{"--policy", "5"}}));
  CHECK_THROWS_WITH_AS(here.compare({{"--policy", "8"}}),
                       "the prefill side was given something else. Give both the same:\n"
                       "  --policy: 8 here, 5 there",
                       std::runtime_error);
  CHECK_THROWS_WITH(there->compare({{"--policy", "5"}}), doctest::Contains("--policy: 5 here, 8 there"));
  CHECK(here.hear(1s) == demo::written({{"--policy", "5"}}));
  there->say("nonsense");
  CHECK_THROWS_WITH(here.compare({}), "who answers is not the prefill side of this demo");
  there.reset();
  CHECK_THROWS_WITH_AS((void)here.hear(1s), doctest::Contains("the prefill side is gone (closed"),
                       demo::peer_gone);
  CHECK_THROWS_AS(here.say("x"), demo::peer_gone);
}

TEST_CASE("an interruption ends the waits of a meeting") {
  auto [a, b] = pc::loopback::pair();
  demo::meeting here(std::move(a), "prefill");
  auto there = std::make_unique<demo::meeting<pc::loopback>>(std::move(b), "decode");
  struct signal {
    signal() { demo::detail::signal_came = SIGTERM; }
    ~signal() { demo::detail::signal_came = 0; }
  };
  {
    const signal came;
    CHECK_THROWS_WITH_AS((void)here.hear(std::chrono::hours(1)), "told to end", demo::interrupted);
    CHECK_THROWS_AS(here.compare({}), demo::interrupted); // nobody answers
    CHECK_THROWS_AS(here.say("two"), demo::interrupted);  // nobody takes it: one is not heard yet
  }
  there.reset();
}

TEST_CASE("the picture is well-formed: each element ends, and text is escaped") {
  auto all = outcomes();
  all[1].name = "<planes> & \"cast\"";
  std::ostringstream to;
  demo::write_picture(
      to, all, {.model = "m", .policy = "8", .prompt_tokens = 5, .tokens = 4, .link_bytes_per_second = 1e6});
  const std::string svg = to.str();
  CHECK(svg.find("&lt;planes&gt; &amp; &quot;cast&quot;") != svg.npos);
  CHECK(svg.find("nan") == svg.npos);
  std::vector<std::string> open;
  for (std::size_t at = svg.find('<'); at != svg.npos; at = svg.find('<', at + 1)) {
    const std::size_t end = svg.find('>', at);
    REQUIRE(end != svg.npos);
    const std::string tag = svg.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find_first_of(" >"));
    if (tag.starts_with('/')) {
      REQUIRE(!open.empty());
      CHECK(name == "/" + open.back());
      open.pop_back();
    } else if (!tag.ends_with('/'))
      open.push_back(name);
  }
  CHECK(open.empty());
  std::ostringstream none;
  demo::write_picture(none, {}, {});
  CHECK(none.str().ends_with("</svg>\n"));
}

} // namespace examples_demo_test
