// SPDX-License-Identifier: Apache-2.0
#include "common/export/convert.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "common/export/model_blocks.h"
#include "common/model/check_model.h"
#include "common/model/quantization.h"

namespace lwq::qat {
namespace {

Status NothingToConvert() {
  return absl::FailedPreconditionError(
      "the model is not quantized (it has no quantization_config): there are no codes that another format could hold; "
      "lwq local quantizes it");
}

// Of all zero points of 2 bits whether they are 1 or 2, and there is one: then GGUF holds them in 2.25 bits a weight.
StatusOr<bool> HasMiddleZeroPoints(BlockSource& blocks) {
  bool found = false;
  for (int64_t k = 0; k < blocks.blocks(); ++k) {
    LWQ_ASSIGN_OR_RETURN(const BlockState block, blocks.Load(k));
    for (const auto& [kind, weight] : block.linears) {
      const auto* linear = std::get_if<QuantizedLinear>(&weight);
      if (linear == nullptr || linear->bits != 2) continue;
      const std::string_view zeros = linear->zeros.bytes.view();
      if (!std::all_of(zeros.begin(), zeros.end(), [](char zero) { return zero == 1 || zero == 2; })) return false;
      found = true;
    }
  }
  return found;
}

}  // namespace

StatusOr<ExportFormat> FormatOfModel(const LlamaConfig& config) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<ModuleRules> rules, QuantizationOf(config));
  if (!rules.has_value()) return NothingToConvert();
  for (int64_t block = 0; block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      LWQ_ASSIGN_OR_RETURN(
          const LinearStorage storage,
          StorageOf(rules, absl::StrCat(BlockPrefix(block), LinearName(kind)), ShapeOf(config, kind).in_features));
      if (storage.quantized) return storage.format;
    }
  }
  return NothingToConvert();
}

StatusOr<BlockFormat> ModelBlocks::Format(int64_t block) {
  LWQ_ASSIGN_OR_RETURN(const BlockState state, Load(block));
  return FormatOf(state);
}

StatusOr<BlockState> ModelBlocks::Load(int64_t block) {
  LWQ_ASSIGN_OR_RETURN(BlockState state, LoadBlock(*tensors_, *config_, block));
  LWQ_RETURN_IF_ERROR(CheckBlock(state, absl::StrCat("block ", block)));
  return state;
}

StatusOr<Json> ConvertExport(const QuantizedModel& model, ExportFormat format, FileSink& sink,
                             const ProgressSink& progress, const CancelToken& cancel) {
  LWQ_ASSIGN_OR_RETURN(const ExportFormat from, FormatOfModel(model.config));
  if (from == format) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model is in ", WordOf(format), " already: copy it as it is"));
  }
  LWQ_RETURN_IF_ERROR(CheckModelTensors(model.config, *model.tensors));
  ModelBlocks blocks(&model.config, model.tensors);
  ExportSource source{.config = model.config, .tensors = model.tensors, .files = model.files};
  source.config.quantization_config = nullptr;
  ExportOptions options{.format = format, .companions = model.companions};
  if (TraitsOf(format).for_llama_cpp) {
    LWQ_ASSIGN_OR_RETURN(options.middle_zero_points, HasMiddleZeroPoints(blocks));
  }
  return WriteExport(source, blocks, options, sink, progress, cancel);
}

}  // namespace lwq::qat
