// SPDX-License-Identifier: Apache-2.0
#include "common/export/gptq_v2/gptq_v2_layout.h"

#include <utility>

#include "common/export/gptq_v2/gptq_export_config.h"
#include "common/export/gptq_v2/gptq_layout.h"
#include "common/export/quantized_linear.h"

namespace lwq::qat {

Status GptqV2Layout::Begin(const ExportedModel& model) {
  zero_points_ = model.zero_points;
  return absl::OkStatus();
}

StatusOr<SmallFiles> GptqV2Layout::Configure(const std::vector<BlockFormat>& blocks, Json& config) {
  LWQ_ASSIGN_OR_RETURN(const Json quantization, MakeGptqConfig(blocks, zero_points_));
  config["quantization_config"] = quantization;
  return SmallFiles{{"quantize_config.json", quantization.dump(2) + "\n"}};
}

Status GptqV2Layout::Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) {
  if (zero_points_ == ZeroPoints::kSymmetric) LWQ_RETURN_IF_ERROR(CheckSymmetric(linear, name));
  LWQ_ASSIGN_OR_RETURN(GptqTensors packed, PackGptq(linear, name, &scales_));
  tensors[name + ".qweight"] = std::move(packed.qweight);
  tensors[name + ".qzeros"] = std::move(packed.qzeros);
  tensors[name + ".scales"] = std::move(packed.scales);
  tensors[name + ".g_idx"] = std::move(packed.g_idx);
  return absl::OkStatus();
}

void GptqV2Layout::AddMetrics(Json& metrics) const {
  metrics["scales_rounded"] = scales_.changed;
  metrics["max_scale_rounding"] = scales_.max_relative_error;
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kGptqV2>() {
  return std::make_unique<GptqV2Layout>();
}

}  // namespace lwq::qat
