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

StatusOr<ZeroPoints> ZeroPointsOfBlocks(BlockSource& blocks) {
  bool symmetric = true, middle = true, two_bits = false;
  for (int64_t k = 0; k < blocks.blocks(); ++k) {
    LWQ_ASSIGN_OR_RETURN(const BlockState block, blocks.Load(k));
    for (const auto& [kind, weight] : block.linears) {
      const auto* linear = std::get_if<QuantizedLinear>(&weight);
      if (linear == nullptr) continue;
      const std::string_view zeros = linear->zeros.bytes.view();
      const auto all = [&](auto predicate) { return std::all_of(zeros.begin(), zeros.end(), predicate); };
      symmetric =
          symmetric && all([&](char zero) { return static_cast<uint8_t>(zero) == SymmetricZeroPoint(linear->bits); });
      if (linear->bits != 2) continue;
      two_bits = true;
      middle = middle && all([](char zero) { return zero == 1 || zero == 2; });
    }
  }
  if (symmetric) return ZeroPoints::kSymmetric;
  return two_bits && middle ? ZeroPoints::kMiddle : ZeroPoints::kAny;
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
  LWQ_ASSIGN_OR_RETURN(options.zero_points, ZeroPointsOfBlocks(blocks));
  return WriteExport(source, blocks, options, sink, progress, cancel);
}

}  // namespace lwq::qat
