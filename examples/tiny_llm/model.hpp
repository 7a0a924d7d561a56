// A model's weights, as views of the files that hold them: nothing of the matrices is copied.
#pragma once

#include "mapped_file.hpp"
#include "matrix.hpp"
#include "model_config.hpp"
#include "rope.hpp"
#include "safetensors.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiny {

/// A Llama or Qwen2. Immutable; engines share it.
class model {
public:
  /// A matrix with its bias, if it has one.
  struct linear {
    matrix weights;
    std::vector<float> bias;
  };
  struct layer {
    std::vector<float> attention_norm, mlp_norm;
    linear query, key, value, out, gate, up, down;
  };

  /// From files' contents; what `tensors` and views show must live as long as the model.
  /// Errors: std::runtime_error, "WHERE: what is wrong".
  model(model_config config, tensors all, const std::string& where);

  [[nodiscard]] const model_config& config() const { return config_; }
  [[nodiscard]] const matrix& embeddings() const { return embeddings_; }
  [[nodiscard]] const matrix& head() const { return head_; }
  [[nodiscard]] const std::vector<float>& norm() const { return norm_; }
  [[nodiscard]] const std::vector<layer>& layers() const { return layers_; }
  [[nodiscard]] const rope& positions() const { return positions_; }
  /// Bytes of the weights, as they lie in the files.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
  friend std::shared_ptr<const model> load(const std::filesystem::path& directory);

  model_config config_;
  matrix embeddings_, head_;
  std::vector<float> norm_;
  std::vector<layer> layers_;
  rope positions_;
  std::size_t bytes_ = 0;
  std::vector<mapped_file> files_;
};

/// Opens a directory as model hubs publish them: config.json, and model.safetensors or the shards that
/// model.safetensors.index.json names. The files are mapped: they take memory as they are used.
/// Preconditions: while the model is there, nobody makes its files shorter: what is read of a mapped file
/// beyond its end ends the program (SIGBUS). A new model is written beside it and renamed.
/// Errors: std::runtime_error that names the file and what is wrong.
std::shared_ptr<const model> load(const std::filesystem::path& directory);

} // namespace tiny
