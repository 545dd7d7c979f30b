// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/gguf_layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gguf/ggml_blocks.h"
#include "common/export/gguf/gguf_metadata.h"
#include "common/export/gguf/gguf_tensor_files.h"
#include "common/export/tokenizer_tree.h"
#include "common/json/json.h"
#include "common/model/llama_cpp_model.h"
#include "common/tokenizer/llama_cpp_vocabulary.h"

namespace lwq::qat {
namespace {

constexpr char kTemplateFile[] = "chat_template.jinja";

bool HasTokenizer(const FileTree& tree) {
  return tree.Contains("tokenizer.json") || tree.Contains("tokenizer.model");
}

constexpr std::string_view kDefaultTemplate = "default";

// tokenizer_config.json has one template, or several by name, of which the default one counts.
std::optional<std::string> TemplateIn(const Json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  for (const Json& named : *found) {
    if (!named.is_object() || named.value("name", Json()) != kDefaultTemplate) continue;
    const auto text = named.find("template");
    if (text != named.end() && text->is_string()) return text->get<std::string>();
  }
  return std::nullopt;
}

// A file of its own counts before what tokenizer_config.json says, as in transformers.
StatusOr<std::optional<std::string>> ChatTemplateOf(const ExportedModel& model, const TokenizerFiles& tokenizer) {
  for (const FileTree* tree : {model.companions, model.tokenizer, &model.files}) {
    if (tree == nullptr || !tree->Contains(kTemplateFile)) continue;
    LWQ_ASSIGN_OR_RETURN(const Bytes text, tree->ReadAll(kTemplateFile));
    return std::optional<std::string>(text.view());
  }
  if (!tokenizer.tokenizer_config_json.has_value()) return std::optional<std::string>();
  LWQ_ASSIGN_OR_RETURN(const Json config, ParseJson(*tokenizer.tokenizer_config_json, "tokenizer_config.json"));
  return TemplateIn(config);
}

bool HasFourBits(const std::vector<BlockFormat>& blocks) {
  for (const BlockFormat& block : blocks) {
    for (const auto& [kind, linear] : block.linears) {
      if (linear.bits == 4) return true;
    }
  }
  return false;
}

}  // namespace

Status GgufLayout::Begin(const ExportedModel& model) {
  config_ = model.config;
  zero_points_ = model.zero_points;
  LWQ_ASSIGN_OR_RETURN(const LlamaCppModel llama_cpp, LlamaCppModelOf(config_));
  interleaved_heads_ = llama_cpp.interleaved_heads;
  const bool apart = model.tokenizer != nullptr && HasTokenizer(*model.tokenizer);
  if (!apart && !HasTokenizer(model.files)) {
    return absl::FailedPreconditionError(
        "a GGUF file holds the tokenizer, and the model has neither tokenizer.json nor tokenizer.model");
  }
  LWQ_ASSIGN_OR_RETURN(const TokenizerTree tokenizer, ReadTokenizerTree(apart ? *model.tokenizer : model.files));
  GgufModel described{.config = config_,
                      .llama_cpp = llama_cpp,
                      .vocabulary = {},
                      .exact = four_bits_ == GgufFourBits::kExact || zero_points_ == ZeroPoints::kSymmetric ||
                               !HasFourBits(model.blocks)};
  LWQ_ASSIGN_OR_RETURN(described.vocabulary,
                       LlamaCppVocabularyOf(tokenizer.files, {.rows = config_.vocab_size,
                                                              .bos_token_id = config_.bos_token_id,
                                                              .eos_token_id = config_.eos_token_id}));
  LWQ_ASSIGN_OR_RETURN(described.chat_template, ChatTemplateOf(model, tokenizer.files));
  metadata_ = MakeGgufMetadata(std::move(described));
  return absl::OkStatus();
}

StatusOr<SmallFiles> GgufLayout::Configure(const std::vector<BlockFormat>&, Json&) {
  return SmallFiles{};
}

std::unique_ptr<TensorFiles> GgufLayout::LayOut(std::vector<PlannedTensor> tensors, int64_t /*shard_bytes*/) {
  return std::make_unique<GgufTensorFiles>(std::move(tensors), config_, interleaved_heads_, std::move(metadata_));
}

Status GgufLayout::Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) {
  const GgmlType type =
      GgufTypeOf({linear.out_features, linear.in_features, linear.bits, linear.group_size, zero_points_}, four_bits_);
  const int64_t rounded_before = scales_.changed;
  LWQ_ASSIGN_OR_RETURN(HostTensor blocks, PackBlocks(linear, type, name, &scales_));
  LWQ_ASSIGN_OR_RETURN(const HostTensor unpacked, UnpackBlocks(blocks, type, linear.in_features, name));
  const bool exact = type != GgmlType::kQ4_1 && scales_.changed == rounded_before;
  LWQ_RETURN_IF_ERROR(Compare(linear, unpacked, exact, name));
  tensors[name + ".weight"] = std::move(blocks);
  return absl::OkStatus();
}

Status GgufLayout::Compare(const QuantizedLinear& linear, const HostTensor& unpacked, bool exact,
                           const std::string& name) {
  const HostTensor expected = DecodeToF32(linear);
  const size_t count = expected.bytes.size() / sizeof(float);
  int64_t changed = 0;
  for (size_t i = 0; i < count; ++i) {
    float weight, stored;
    std::memcpy(&weight, expected.bytes.data() + i * sizeof(float), sizeof(float));
    std::memcpy(&stored, unpacked.bytes.data() + i * sizeof(float), sizeof(float));
    if (weight == stored) continue;
    ++changed;
    max_weight_rounding_ = std::max(max_weight_rounding_, std::abs(static_cast<double>(stored) - weight));
  }
  weights_rounded_ += changed;
  if (!exact || changed == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(name, ": ", changed, " weights are not in the file as they were trained"));
}

void GgufLayout::AddMetrics(Json& metrics) const {
  metrics["scales_rounded"] = scales_.changed;
  metrics["max_scale_rounding"] = scales_.max_relative_error;
  metrics["weights_rounded"] = weights_rounded_;
  metrics["max_weight_rounding"] = max_weight_rounding_;
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kGguf>() {
  return std::make_unique<GgufLayout>(GgufFourBits::kExact);
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kGgufQ41>() {
  return std::make_unique<GgufLayout>(GgufFourBits::kSmall);
}

}  // namespace lwq::qat
