#include "fixtures.hpp"
#include "support/dice.hpp"
#include "tiny_llm/embedded_model.hpp"
#include "tiny_llm/model.hpp"
#include "written_files.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

namespace tiny_llm_files_test {

namespace {

using namespace tiny_test;

TEST_CASE("tiny: the embedded model is what issue and README say") {
  const auto m = tiny::embedded();
  const tiny::model_config& c = m->config();
  CHECK(c.byte_level());
  CHECK(c.architecture == "Qwen2ForCausalLM");
  CHECK(c.head_dim == 64);
  CHECK(c.kv_heads < c.query_heads);
  CHECK(c.qkv_bias);
  CHECK(c.context >= 512);
  CHECK(m->bytes() <= std::size_t{8} << 20);
  CHECK(m == tiny::embedded());
  // The same files from the folder are the same model.
  const auto loaded = tiny::load(TINY_MODEL);
  CHECK(loaded->bytes() == m->bytes());
  CHECK(std::memcmp(loaded->head().weights, m->head().weights, std::size_t{c.vocab} * c.width * 2) == 0);
}

TEST_CASE("tiny: a config.json says what kind of model it is") {
  const tiny::model_config c = tiny::load(fixture("qwen2"))->config();
  CHECK(c.layers == 2);
  CHECK(c.query_heads == 4);
  CHECK(c.kv_heads == 2);
  CHECK(c.head_dim == 8); // of hidden_size, for head_dim is null
  CHECK(c.width == 32);
  CHECK(c.inner == 36);
  CHECK(c.vocab == 48);
  CHECK(c.context == 128);
  CHECK(c.tied);
  CHECK(c.qkv_bias);
  CHECK(!c.out_bias);
  CHECK(!c.byte_level());
  CHECK(c.end_tokens == std::vector<std::uint32_t>{3, 5});
  CHECK(tiny::load(fixture("linear"))->config().out_bias);
  CHECK(tiny::load(fixture("llama3"))->config().rope.type == tiny::rope_settings::kind::llama3);
  CHECK(tiny::load(fixture("yarn"))->config().context == 128);
}

TEST_CASE("tiny: a config.json of something else is refused, with the reason") {
  const std::string good = text_of(fixture("llama3") / "config.json");
  CHECK(tiny::read_config(good, "c").layers == 2);
  const struct {
    const char *from, *to, *message;
  } table[] = {
      {"LlamaForCausalLM", "MixtralForCausalLM", "\"MixtralForCausalLM\" is neither"},
      {"\"architectures\"", "\"architecture\"", "architectures is not a list of one name"},
      {"\"silu\"", "\"gelu\"", "hidden_act \"gelu\""},
      {"\"silu\"", "7", "hidden_act is not a string"},
      {"\"hidden_act\"", "\"quantization_config\": {\"bits\": 4}, \"hidden_act\"", "quantization_config"},
      {"\"hidden_act\"", "\"sliding_window\": 128, \"hidden_act\"", "sliding window"},
      {"\"hidden_act\"", "\"layer_types\": [\"sliding_attention\"], \"hidden_act\"", "layer_types"},
      {"\"hidden_act\"", "\"partial_rotary_factor\": 0.5, \"hidden_act\"", "partial_rotary_factor"},
      {"\"hidden_act\"", "\"tokenizer\": \"bytes\", \"hidden_act\"", "tokenizer is bytes"},
      {"\"hidden_act\"", "\"eos_token_id\": 48, \"hidden_act\"", "eos_token_id"},
      {"\"hidden_act\"", "\"vocab_size\": 3, \"hidden_act\"", "\"vocab_size\" stands twice"},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0",
       "num_hidden_layers is not a whole number from 1"},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2.0", "num_hidden_layers is not a whole number"},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2", "num_hidden_layers is not a whole number"},
      {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 99999999999", "num_hidden_layers is not a whole"},
      {"\"num_hidden_layers\": 2", "\"layers\": 2", "num_hidden_layers is missing"},
      {"\"hidden_size\": 20", "\"hidden_size\": \"20\"", "hidden_size is not a whole number"},
      {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "does not divide num_attention_heads"},
      {"\"head_dim\": 8", "\"head_dim\": 12", "heads have 12 channels, not a multiple of 8"},
      {"\"head_dim\": 8", "\"head_dim\": 0", "head_dim is not a whole number"},
      {"\"head_dim\": 8", "\"head_dim\": null", "heads have 5 channels"},
      {"\"head_dim\": 8", "\"head_dim\": 576", "out of proportion to hidden_size"},
      {"\"intermediate_size\": 36", "\"intermediate_size\": 36000", "out of proportion to hidden_size"},
      {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": -1", "rms_norm_eps is not a number in its range"},
      {"\"rope_theta\": 50.0", "\"rope_theta\": 0", "rope_theta is not a number in its range"},
      {"\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0", "tie_word_embeddings is neither"},
      {"\"rope_type\": \"llama3\"", "\"rope_type\": \"longrope\"", "\"longrope\" is not one of"},
      {"\"low_freq_factor\": 1.0", "\"low_freq_factor\": 4.0", "high_freq_factor is not above"},
      {"\"low_freq_factor\"", "\"low\"", "low_freq_factor is missing"},
      {"\"original_max_position_embeddings\"", "\"original\"", "original_max_position_embeddings is missing"},
      {"\"factor\": 8.0", "\"factor\": 0.5", "factor is not a number in its range"},
      {"\"rope_scaling\": {", "\"rope_scaling\": 3, \"x\": {", "rope_scaling: is not an object"},
      {"\"rope_scaling\": {", "\"rope_scaling\": {\"partial_rotary_factor\": 0.5, ",
       "rope_scaling: partial_rotary_factor is not supported"},
      {"\"rope_scaling\": {", "\"rope_parameters\": {\"partial_rotary_factor\": 0.25, ",
       "rope_parameters: partial_rotary_factor is not supported"},
      {"\"rope_scaling\": {", "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 1e6}, ",
       "rope_parameters: \"full_attention\": parameters by kind of layer"},
  };
  for (const auto& t : table) {
    const std::string said =
        error_of([&] { (void)tiny::read_config(with(good, t.from, t.to), "a/config.json"); });
    CAPTURE(said);
    CAPTURE(t.message);
    CHECK(said.starts_with("a/config.json: "));
    CHECK(said.find(t.message) != std::string::npos);
  }
  // What does not matter is not looked at.
  CHECK(tiny::read_config(
            with(good, "\"hidden_act\"", "\"rope_parameters\": null, \"new\": [{}], \"hidden_act\""), "c")
            .layers == 2);
  CHECK(tiny::read_config(with(good, "\"llama3\"", "\"dynamic\""), "c").rope.type ==
        tiny::rope_settings::kind::plain);
  const auto newer =
      tiny::read_config(with(good, "\"rope_scaling\": {",
                             "\"rope_parameters\": {\"partial_rotary_factor\": 1.0, \"rope_theta\": 70.0, "),
                        "c");
  CHECK(newer.rope.type == tiny::rope_settings::kind::llama3);
  CHECK(newer.rope.theta == 70);
}

TEST_CASE("tiny: a wrong safetensors file is refused, with the reason") {
  const auto said = [](const std::string& header, const std::string& data) {
    const std::string file = safetensors_of(header, data);
    return error_of([&] { (void)tiny::read_safetensors(bytes_of(file), "f"); });
  };
  const std::string two(2, 'x'), four(4, 'x');
  CHECK(said("{}", "").empty());
  CHECK(
      said(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", four)
          .empty());
  CHECK(said(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )", four).empty());
  const struct {
    const char* header;
    const std::string& data;
    const char* message;
  } table[] = {
      {"", four, "expected a value"},
      {"[]", four, "its header is not an object"},
      {"{}", four, "its tensors end at byte 0 of 4"},
      {R"({"a":3})", four, "\"a\" is not described by an object"},
      {R"({"a":{"shape":[2],"data_offsets":[0,4]}})", four, "has no dtype"},
      {R"({"a":{"dtype":"BF16","data_offsets":[0,4]}})", four, "has no shape"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0]}})", four, "no data_offsets of two numbers"},
      {R"({"a":{"dtype":"BF17","shape":[2],"data_offsets":[0,4]}})", four, "the unknown dtype \"BF17\""},
      {R"({"a":{"dtype":"F32 I32","shape":[1],"data_offsets":[0,4]}})", four, "the unknown dtype"},
      {R"({"a":{"dtype":"","shape":[1],"data_offsets":[0,4]}})", four, "the unknown dtype"},
      {R"({"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,4]}})", four, "has 4 bytes, its shape 6"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,5]}})", four, "ends beyond the file"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[4,0]}})", four, "ends beyond the file"},
      {R"({"a":{"dtype":"BF16","shape":[-2],"data_offsets":[0,4]}})", four, "shape is not a whole number"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4.0]}})", four, "offset is not a whole number"},
      {R"({"a":{"dtype":"BF16","shape":[4294967296,4294967296,2],"data_offsets":[0,4]}})", four,
       "is larger than any file"},
      {R"({"a":{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,4]}})", four,
       "larger than any file"},
      {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]}})", four,
       "more than 8 dimensions"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[18446744073709551612,18446744073709551615]}})",
       four, "ends beyond the file"},
      {R"({"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}})",
       four, "stands twice"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}})",
       four, "two tensors share bytes"},
      {R"({"a":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}})", four, "bytes between two tensors"},
      {R"({"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}})", four, "its tensors end at byte 2 of 4"},
      {R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", two, "is it cut off?"},
  };
  for (const auto& t : table) {
    const std::string message = said(t.header, t.data);
    CAPTURE(t.header);
    CAPTURE(message);
    CHECK(message.starts_with("f: "));
    CHECK(message.find(t.message) != std::string::npos);
  }
  const auto of_bytes = [](const std::string& file) {
    return error_of([&] { (void)tiny::read_safetensors(bytes_of(file), "f"); });
  };
  CHECK(of_bytes("") == "f: is too short to be a safetensors file");
  CHECK(of_bytes(std::string(8, '\xFF')).find("is it a safetensors file?") != std::string::npos);
  CHECK(of_bytes(std::string("\x03\0\0\0\0\0\0\0{}", 10)) == "f: its header of 3 bytes ends beyond the file");
}

TEST_CASE("tiny: a directory that is no model is refused, with the file's name") {
  const temporary_folder folder("tiny-files");
  const auto said = [&] { return error_of([&] { (void)tiny::load(folder.path()); }); };
  const std::string at = folder.path().string();
  CHECK(error_of([&] { (void)tiny::load(folder.path() / "no"); }) == at + "/no: is not a directory");
  CHECK(said() == at + "/config.json: is missing");
  folder.write("config.json", "");
  CHECK(said() == at + "/config.json: byte 0: expected a value");
  const std::string config = text_of(fixture("linear") / "config.json"),
                    weights = text_of(fixture("linear") / "model.safetensors");
  folder.write("config.json", config);
  CHECK(said() == at + ": has neither model.safetensors nor model.safetensors.index.json");
  folder.write("model.safetensors", weights);
  CHECK(said().empty());
  folder.write("model.safetensors", weights.substr(0, weights.size() - 1));
  CHECK(said().find("/model.safetensors: the tensor ") != std::string::npos);
  CHECK(said().find("is it cut off?") != std::string::npos);
  folder.write("model.safetensors", "");
  CHECK(said() == at + "/model.safetensors: is too short to be a safetensors file");
  std::filesystem::remove(folder.path() / "model.safetensors");
  std::filesystem::create_directory(folder.path() / "model.safetensors");
  CHECK(said() == at + "/model.safetensors: is not a file");
  std::filesystem::remove(folder.path() / "model.safetensors");

  // Tensors that do not go with the config.
  const auto changed = [&](auto&& change) {
    tiny::tensors all = tiny::read_safetensors(bytes_of(weights), "w");
    change(all);
    folder.write("model.safetensors", safetensors_of(all));
    return said();
  };
  CHECK(changed([](tiny::tensors&) {}).empty());
  CHECK(changed([](tiny::tensors& all) { all.erase("model.norm.weight"); }) ==
        at + ": the tensor model.norm.weight is missing");
  CHECK(changed([](tiny::tensors& all) {
          all["model.layers.1.self_attn.q_norm.weight"] = all["model.norm.weight"];
        }).find("has no tensor \"model.layers.1.self_attn.q_norm.weight\"") != std::string::npos);
  CHECK(changed([](tiny::tensors& all) {
          all["model.layers.0.self_attn.rotary_emb.inv_freq"] = all["model.norm.weight"];
        }).empty());
  CHECK(changed([](tiny::tensors& all) { all["model.norm.weight"].dtype = "I16"; }) ==
        at + ": the tensor model.norm.weight is I16; supported are F32, F16 and BF16");
  CHECK(changed([](tiny::tensors& all) {
          all["model.norm.weight"].shape = {10, 2};
        }) == at + ": the tensor model.norm.weight has the shape [10, 2], by config.json it has [20]");

  // An index.
  std::filesystem::remove(folder.path() / "model.safetensors");
  for (const auto& [index, message] :
       {std::pair{"{}", "has no weight_map"}, std::pair{"[]", "has no weight_map"},
        std::pair{R"({"weight_map": {}})", "names 0 files"},
        std::pair{R"({"weight_map": {"a": 1}})", "the file of \"a\" is not a string"},
        std::pair{R"({"weight_map": {"a": "../x"}})", "\"../x\" is not the name"},
        std::pair{R"({"weight_map": {"a": "/etc/passwd"}})", "is not the name"},
        std::pair{R"({"weight_map": {"a": "b/c"}})", "is not the name"},
        std::pair{R"({"weight_map": {"a": ""}})", "is not the name"},
        std::pair{R"({"weight_map": {"a": "part"}})", "/part: cannot be opened"},
        std::pair{R"({"weight_map": {"a": "one"}})",
                  "/one: the tensor \"a\", which the index says is here, is missing"}}) {
    folder.write("model.safetensors.index.json", index);
    folder.write("one", weights);
    CAPTURE(said());
    CHECK(said().find(message) != std::string::npos);
  }
}

TEST_CASE("tiny: shards and one file are the same model") {
  const temporary_folder folder("tiny-shards");
  for (const std::string kind : {"llama3", "one_kv_head"}) {
    std::filesystem::remove_all(folder.path());
    std::filesystem::create_directory(folder.path());
    tiny::tensors all;
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(fixture(kind)))
      if (entry.path().filename().string().starts_with("model-"))
        files.push_back(text_of(entry.path()));
    REQUIRE(files.size() > 1);
    for (const std::string& file : files)
      all.merge(tiny::read_safetensors(bytes_of(file), "part"));
    folder.write("config.json", text_of(fixture(kind) / "config.json"));
    folder.write("model.safetensors", safetensors_of(all));
    const auto one = tiny::load(folder.path()), parts = tiny::load(fixture(kind));
    CHECK(one->bytes() == parts->bytes());
    const ids tokens = some_tokens(*one, 60, 1);
    std::vector<float> x(60 * one->config().vocab), y(x.size());
    tiny::engine(one, {}).forward(tokens, x);
    tiny::engine(parts, {}).forward(tokens, y);
    CHECK(x == y);
  }
}

// Any spoilt file gives a model that runs, or an error that names the file: nothing else.
TEST_CASE("tiny: spoilt files are refused or harmless") {
  int refused = 0, harmless = 0;
  for (const std::string kind : {"linear", "qwen2", "yarn"}) {
    const std::string config = text_of(fixture(kind) / "config.json"),
                      weights = text_of(fixture(kind) / "model.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, weights.data(), 8);
    for (std::uint64_t seed = 1; seed <= 700; ++seed) {
      CAPTURE(kind);
      CAPTURE(seed);
      test::dice dice(seed);
      std::string c = config, w = weights;
      std::string& spoilt = dice.one_in(3) ? c : w;
      const std::size_t some = &spoilt == &c ? c.size() : 8 + header;
      for (std::uint32_t n = dice.between(1, 3); n > 0 && !spoilt.empty(); --n) {
        const std::size_t at = std::min<std::size_t>(dice.below(some), spoilt.size() - 1);
        switch (dice.below(5)) {
        case 0: // a digit is what breaks most
          if (const std::size_t digit = spoilt.find_first_of("0123456789", at); digit < some)
            spoilt[digit] = static_cast<char>('0' + dice.below(10));
          break;
        case 1:
          spoilt[at] = static_cast<char>(dice.below(256));
          break;
        case 2:
          spoilt.erase(at, dice.between(1, 12));
          break;
        case 3:
          spoilt.insert(at, spoilt.substr(dice.below(at + 1), dice.between(1, 12)));
          break;
        default:
          spoilt.resize(dice.one_in(4) ? dice.between(1, static_cast<std::uint32_t>(spoilt.size()))
                                       : spoilt.size());
        }
      }
      const std::string exact_copy(w); // so that a sanitizer sees what is read behind it
      const std::string said = error_of([&] {
        const auto m = std::make_shared<const tiny::model>(
            tiny::read_config(c, "file"), tiny::read_safetensors(bytes_of(exact_copy), "file"), "file");
        tiny::engine e(m, {.context = 8});
        (void)e.step(0);
      });
      CHECK((said.empty() || said.starts_with("file: ")));
      ++(said.empty() ? harmless : refused);
    }
  }
  MESSAGE("spoilt files: ", refused, " refused, ", harmless, " harmless");
  CHECK(refused > 500);
  CHECK(harmless > 20);
}

} // namespace

} // namespace tiny_llm_files_test
