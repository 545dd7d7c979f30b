// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/model/load_block.h"

#include "absl/strings/str_join.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/quant/derive_codes.h"

namespace lwq::qat {
namespace {

void CheckShape(const std::vector<int64_t>& actual, const std::vector<int64_t>& expected, std::string_view name) {
  if (actual == expected) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat(name, " has shape [", absl::StrJoin(actual, ", "), "], the model's configuration asks for [",
                   absl::StrJoin(expected, ", "), "]: weights and config.json belong to different models")));
}

void CheckPresence(bool present, bool expected, std::string_view name) {
  if (present == expected) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat("the block has ", present ? "a " : "no ", name, ", the model's configuration ",
                   expected ? "asks for one" : "has none", ": weights and config.json belong to different models")));
}

}  // namespace

at::ScalarType ComputeType(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return at::kFloat;
    case Precision::kBF16:
      return at::kBFloat16;
  }
  throw StatusError(absl::InvalidArgumentError("unknown precision"));
}

at::Tensor LoadLinear(const LlamaConfig& config, const BlockState& block, LinearKind kind, at::ScalarType type,
                      at::Device device) {
  const LinearShape shape = ShapeOf(config, kind);
  const std::vector<int64_t> expected = {shape.out_features, shape.in_features};
  const auto found = block.linears.find(kind);
  if (found == block.linears.end()) {
    throw StatusError(absl::InvalidArgumentError(absl::StrCat("the block has no ", LinearName(kind))));
  }
  if (const auto* quantized = std::get_if<QuantizedLinear>(&found->second)) {
    CheckShape({quantized->out_features, quantized->in_features}, expected, LinearName(kind));
    return Dequantize(*quantized, device).to(type);
  }
  const auto& plain = std::get<HostTensor>(found->second);
  CheckShape(plain.shape, expected, LinearName(kind));
  return ToTensor(plain, type, device);
}

at::Tensor LoadNorm(const LlamaConfig& config, const HostTensor& norm, std::string_view name, at::Device device) {
  CheckShape(norm.shape, {config.hidden_size}, name);
  return ToTensor(norm, at::kFloat, device);
}

at::Tensor LoadHeadNorm(const LlamaConfig& config, const std::optional<HostTensor>& norm, std::string_view name,
                        at::Device device) {
  CheckPresence(norm.has_value(), config.query_key_norms, name);
  if (!norm) return {};
  CheckShape(norm->shape, {config.head_dim}, name);
  return ToTensor(*norm, at::kFloat, device);
}

at::Tensor LoadBias(const LlamaConfig& config, const BlockState& block, LinearKind kind, at::ScalarType type,
                    at::Device device) {
  const auto bias = block.biases.find(kind);
  const std::string name = absl::StrCat(LinearName(kind), ".bias");
  CheckPresence(bias != block.biases.end(), config.HasBias(kind), name);
  if (bias == block.biases.end()) return {};
  CheckShape(bias->second.shape, {ShapeOf(config, kind).out_features}, name);
  return ToTensor(bias->second, type, device);
}

BlockTensors LoadBlock(const LlamaConfig& config, const BlockState& block, at::ScalarType type, at::Device device) {
  BlockTensors tensors = LoadRestTensors(config, block, type, device);
  for (const LinearKind kind : kAllLinears) tensors[kind] = LoadLinear(config, block, kind, type, device);
  return tensors;
}

BlockTensors LoadRestTensors(const LlamaConfig& config, const BlockState& block, at::ScalarType type,
                             at::Device device) {
  BlockTensors tensors;
  for (const LinearKind kind : kAllLinears) {
    tensors.biases[static_cast<size_t>(kind)] = LoadBias(config, block, kind, type, device);
  }
  tensors.query_norm = LoadHeadNorm(config, block.query_norm, kQueryNorm, device);
  tensors.key_norm = LoadHeadNorm(config, block.key_norm, kKeyNorm, device);
  tensors.input_norm = LoadNorm(config, block.input_norm, kInputNorm, device);
  tensors.post_attention_norm = LoadNorm(config, block.post_attention_norm, kPostAttentionNorm, device);
  return tensors;
}

BlockState LoadRest(const LlamaConfig& config, const BlockState& block) {
  BlockState rest;
  rest.biases = block.biases;
  rest.input_norm = ToHostTensor(LoadNorm(config, block.input_norm, kInputNorm, at::kCPU));
  rest.post_attention_norm = ToHostTensor(LoadNorm(config, block.post_attention_norm, kPostAttentionNorm, at::kCPU));
  if (config.query_key_norms) {
    rest.query_norm = ToHostTensor(LoadHeadNorm(config, block.query_norm, kQueryNorm, at::kCPU));
    rest.key_norm = ToHostTensor(LoadHeadNorm(config, block.key_norm, kKeyNorm, at::kCPU));
  }
  return rest;
}

HeadTensors LoadHead(const LlamaConfig& config, const HeadWeights& head, at::ScalarType type, at::Device device) {
  CheckShape(head.lm_head.shape, {config.vocab_size, config.hidden_size}, "lm_head");
  return {.final_norm = LoadNorm(config, head.final_norm, "the final norm", device),
          .lm_head = ToTensor(head.lm_head, type, device)};
}

}  // namespace lwq::qat
