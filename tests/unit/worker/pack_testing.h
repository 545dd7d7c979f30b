// SPDX-License-Identifier: Apache-2.0
// Random blocks, and models held in memory, for the tests of packing, checkpoints and export.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/export/block.h"
#include "common/export/half.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "tests/fixtures/random.h"

namespace lwq::qat {

template <typename T>
HostTensor MakeTensor(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return HostTensor{dtype, std::move(shape), Bytes::FromString(std::move(bytes))};
}

template <typename T>
std::vector<T> ValuesOf(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// The same tensor with one element changed.
template <typename T>
HostTensor WithElement(const HostTensor& tensor, size_t index, T value) {
  std::vector<T> values = ValuesOf<T>(tensor);
  values.at(index) = value;
  return MakeTensor(tensor.dtype, tensor.shape, values);
}

inline HostTensor RandomCodes(int64_t rows, int64_t columns, int bits, WorldRandom& random) {
  std::vector<uint8_t> codes(static_cast<size_t>(rows * columns));
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random.Next() >> (64 - bits));
  return MakeTensor(DType::kU8, {rows, columns}, codes);
}

// Scales between 2^-10 and 2^-6: fp16 numbers unless `exact_scales` is false.
inline QuantizedLinear RandomLinear(const LinearShape& shape, int bits, int64_t group_size, WorldRandom& random,
                                    bool exact_scales = true) {
  const int64_t groups = shape.in_features / group_size;
  std::vector<float> scales(static_cast<size_t>(shape.out_features * groups));
  for (float& scale : scales) {
    scale = 0x1p-10f + static_cast<float>(random.Next() >> 40) * 0x1p-30f;
    if (exact_scales) scale = FloatFromHalf(HalfFromFloat(scale));
  }
  return QuantizedLinear{.bits = bits,
                         .group_size = group_size,
                         .out_features = shape.out_features,
                         .in_features = shape.in_features,
                         .codes = RandomCodes(shape.out_features, shape.in_features, bits, random),
                         .scales = MakeTensor(DType::kF32, {shape.out_features, groups}, scales),
                         .zeros = RandomCodes(shape.out_features, groups, bits, random)};
}

inline HostTensor RandomNorm(int64_t hidden_size, WorldRandom& random) {
  std::vector<float> values(static_cast<size_t>(hidden_size));
  for (float& value : values) value = 0.5f + static_cast<float>(random.Next() >> 40) * 0x1p-24f;
  return MakeTensor(DType::kF32, {hidden_size}, values);
}

struct Width {
  int bits = 2;
  int64_t group_size = 32;  // −1: whole row
};

// Every linear in `width`, except those in `others`; fp32 norms, as training leaves them.
inline BlockState RandomBlock(const LlamaConfig& config, const Width& width, WorldRandom& random,
                              const std::map<LinearKind, Width>& others = {}, bool exact_scales = true) {
  BlockState block;
  for (const LinearKind kind : kAllLinears) {
    const auto other = others.find(kind);
    const Width chosen = other == others.end() ? width : other->second;
    const LinearShape shape = ShapeOf(config, kind);
    const int64_t group_size = chosen.group_size == -1 ? shape.in_features : chosen.group_size;
    block.linears.emplace(kind, RandomLinear(shape, chosen.bits, group_size, random, exact_scales));
  }
  block.input_norm = RandomNorm(config.hidden_size, random);
  block.post_attention_norm = RandomNorm(config.hidden_size, random);
  for (const LinearKind kind : kAllLinears) {
    if (config.HasBias(kind)) block.biases[kind] = RandomNorm(ShapeOf(config, kind).out_features, random);
  }
  if (!config.query_key_norms) return block;
  block.query_norm = RandomNorm(config.head_dim, random);
  block.key_norm = RandomNorm(config.head_dim, random);
  return block;
}

inline bool SameTensor(const HostTensor& a, const HostTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes.view() == b.bytes.view();
}

inline bool SameWeight(const LinearWeight& a, const LinearWeight& b) {
  if (a.index() != b.index()) return false;
  if (const auto* full = std::get_if<HostTensor>(&a)) return SameTensor(*full, std::get<HostTensor>(b));
  const auto& x = std::get<QuantizedLinear>(a);
  const auto& y = std::get<QuantizedLinear>(b);
  return x.bits == y.bits && x.group_size == y.group_size && x.out_features == y.out_features &&
         x.in_features == y.in_features && SameTensor(x.codes, y.codes) && SameTensor(x.scales, y.scales) &&
         SameTensor(x.zeros, y.zeros);
}

inline bool SameBlock(const BlockState& a, const BlockState& b) {
  if (a.linears.size() != b.linears.size()) return false;
  for (const auto& [kind, weight] : a.linears) {
    const auto other = b.linears.find(kind);
    if (other == b.linears.end() || !SameWeight(weight, other->second)) return false;
  }
  if (a.biases.size() != b.biases.size()) return false;
  for (const auto& [kind, bias] : a.biases) {
    if (!b.biases.contains(kind) || !SameTensor(bias, b.biases.at(kind))) return false;
  }
  const auto norms = NormsOf(a), others = NormsOf(b);
  return std::equal(norms.begin(), norms.end(), others.begin(), others.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && SameTensor(*x.second, *y.second);
  });
}

// A model's tensors in memory, so that a test can damage one of them.
class MemoryTensors : public TensorSource {
 public:
  explicit MemoryTensors(std::map<std::string, HostTensor> tensors) {
    for (auto& [name, tensor] : tensors) Set(name, tensor);
  }
  void Set(const std::string& name, HostTensor tensor) {
    entries_[name] = SafetensorsEntry{.dtype = tensor.dtype,
                                      .shape = tensor.shape,
                                      .begin_bytes = 0,
                                      .end_bytes = static_cast<int64_t>(tensor.bytes.size())};
    tensors_[name] = std::move(tensor);
  }
  void Erase(const std::string& name) {
    entries_.erase(name);
    tensors_.erase(name);
  }
  HostTensor At(const std::string& name) const { return tensors_.at(name); }
  StatusOr<HostTensor> Read(std::string_view name) override {
    const auto found = tensors_.find(std::string(name));
    if (found == tensors_.end()) return absl::NotFoundError(absl::StrCat("no tensor ", std::string(name)));
    return found->second;
  }
  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

 private:
  std::map<std::string, HostTensor> tensors_;
  std::map<std::string, SafetensorsEntry> entries_;
};

// 2 blocks, hidden 64, intermediate 96: groups of 32 divide both; k and v have 32 outputs.
inline LlamaConfig SmallConfig() {
  LlamaConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = 50;
  config.tie_word_embeddings = true;
  return config;
}

}  // namespace lwq::qat
