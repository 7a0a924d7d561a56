#include "model.hpp"

#include "kernels.hpp"
#include "usual_floats.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace tiny {

namespace {

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string s = "[";
  for (const std::uint64_t n : shape)
    s += (s.size() > 1 ? ", " : "") + std::to_string(n);
  return s + "]";
}

// Takes tensors by name, of the shape that they must have, and says what is missing, wrong or left.
class weights {
public:
  weights(tensors all, const std::string& where) : all_(std::move(all)), where_(where) {}

  matrix take_matrix(const std::string& name, std::uint32_t rows, std::uint32_t columns) {
    const auto [type, bytes] = take(name, {rows, columns});
    return {bytes.data(), type, rows, columns};
  }
  std::vector<float> take_vector(const std::string& name, std::uint32_t size) {
    const auto [type, bytes] = take(name, {size});
    std::vector<float> v(size);
    const usual_floats mode;
    kernels_of_this_machine().widen(type, bytes.data(), size, v.data());
    return v;
  }
  model::linear take_linear(const std::string& name, std::uint32_t rows, std::uint32_t columns, bool bias) {
    return {take_matrix(name + ".weight", rows, columns),
            bias ? take_vector(name + ".bias", rows) : std::vector<float>()};
  }
  // What some checkpoints have and nobody needs; anything else that is left means that this is another model.
  void nothing_left(bool tied) {
    for (const auto& [name, t] : all_)
      if (!name.ends_with(".rotary_emb.inv_freq") && !(tied && name == "lm_head.weight"))
        throw std::runtime_error(where_ + ": this architecture has no tensor " + in_quotes(name) +
                                 " with this config.json");
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
  std::pair<weight_type, std::span<const std::byte>> take(const std::string& name,
                                                          std::initializer_list<std::uint64_t> shape) {
    const auto found = all_.find(name);
    if (found == all_.end())
      throw std::runtime_error(where_ + ": the tensor " + name + " is missing");
    const tensor t = std::move(found->second);
    all_.erase(found);
    if (!std::equal(t.shape.begin(), t.shape.end(), shape.begin(), shape.end()))
      throw std::runtime_error(where_ + ": the tensor " + name + " has the shape " + shape_text(t.shape) +
                               ", by config.json it has " +
                               shape_text(std::span(shape.begin(), shape.size())));
    if (t.dtype != "F32" && t.dtype != "F16" && t.dtype != "BF16")
      throw std::runtime_error(where_ + ": the tensor " + name + " is " + t.dtype +
                               "; supported are F32, F16 and BF16");
    bytes_ += t.bytes.size();
    return {t.dtype == "F32"   ? weight_type::f32
            : t.dtype == "F16" ? weight_type::f16
                               : weight_type::bf16,
            t.bytes};
  }

  tensors all_;
  const std::string& where_;
  std::size_t bytes_ = 0;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A small file's text; a large one is none that this reads.
std::string read_text(const std::filesystem::path& path) {
  const mapped_file file(path);
  if (file.bytes().size() > detail::max_header)
    throw std::runtime_error(path.string() + ": is too large to be what its name says");
  return std::string(text_of(file.bytes()));
}

// Which file each tensor is in.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const std::string where = path.string();
  const json index = json::parse(read_text(path), where);
  const json* const map = index.find("weight_map");
  if (map == nullptr || map->as_object() == nullptr)
    throw std::runtime_error(where + ": has no weight_map");
  std::map<std::string, std::vector<std::string>> names;
  for (const auto& [name, file] : *map->as_object()) {
    if (file.as_string() == nullptr)
      throw std::runtime_error(where + ": the file of " + in_quotes(name) + " is not a string");
    const std::string& f = *file.as_string();
    if (f.empty() || f.front() == '.' || f.find('/') != f.npos || f.find('\0') != f.npos)
      throw std::runtime_error(where + ": " + in_quotes(f) + " is not the name of a file beside it");
    names[f].push_back(name);
  }
  if (names.empty() || names.size() > 4096)
    throw std::runtime_error(where + ": names " + std::to_string(names.size()) + " files");
  return names;
}

} // namespace

model::model(model_config config, tensors all, const std::string& where)
    : config_(std::move(config)), positions_(config_.rope, config_.head_dim) {
  const model_config& c = config_;
  weights w(std::move(all), where);
  const std::uint32_t queries = c.query_heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  embeddings_ = w.take_matrix("model.embed_tokens.weight", c.vocab, c.width);
  norm_ = w.take_vector("model.norm.weight", c.width);
  head_ = c.tied ? embeddings_ : w.take_matrix("lm_head.weight", c.vocab, c.width);
  for (std::uint32_t l = 0; l < c.layers; ++l) {
    const std::string of = "model.layers." + std::to_string(l) + ".", attention = of + "self_attn.",
                      mlp = of + "mlp.";
    layers_.push_back({.attention_norm = w.take_vector(of + "input_layernorm.weight", c.width),
                       .mlp_norm = w.take_vector(of + "post_attention_layernorm.weight", c.width),
                       .query = w.take_linear(attention + "q_proj", queries, c.width, c.qkv_bias),
                       .key = w.take_linear(attention + "k_proj", keys, c.width, c.qkv_bias),
                       .value = w.take_linear(attention + "v_proj", keys, c.width, c.qkv_bias),
                       .out = w.take_linear(attention + "o_proj", c.width, queries, c.out_bias),
                       .gate = w.take_linear(mlp + "gate_proj", c.inner, c.width, c.mlp_bias),
                       .up = w.take_linear(mlp + "up_proj", c.inner, c.width, c.mlp_bias),
                       .down = w.take_linear(mlp + "down_proj", c.width, c.inner, c.mlp_bias)});
  }
  w.nothing_left(c.tied);
  bytes_ = w.bytes();
}

std::shared_ptr<const model> load(const std::filesystem::path& directory) {
  const auto config_path = directory / "config.json", one = directory / "model.safetensors",
             index = directory / "model.safetensors.index.json";
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error))
    throw std::runtime_error(directory.string() + ": is not a directory");
  if (!std::filesystem::exists(config_path, error))
    throw std::runtime_error(config_path.string() + ": is missing");
  model_config config = read_config(read_text(config_path), config_path.string());

  tensors all;
  std::vector<mapped_file> files;
  if (std::filesystem::exists(one, error)) {
    files.emplace_back(one);
    all = read_safetensors(files.back().bytes(), one.string());
  } else if (std::filesystem::exists(index, error)) {
    for (const auto& [file, names] : read_index(index)) {
      const auto path = directory / file;
      files.emplace_back(path);
      tensors of_file = read_safetensors(files.back().bytes(), path.string());
      for (const std::string& name : names) {
        const auto found = of_file.find(name);
        if (found == of_file.end())
          throw std::runtime_error(path.string() + ": the tensor " + in_quotes(name) +
                                   ", which the index says is here, is missing");
        all.insert(of_file.extract(found));
      }
    }
  } else
    throw std::runtime_error(directory.string() +
                             ": has neither model.safetensors nor model.safetensors.index.json");
  auto made = std::make_shared<model>(std::move(config), std::move(all), directory.string());
  made->files_ = std::move(files);
  return made;
}

} // namespace tiny
