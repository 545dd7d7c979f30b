// SPDX-License-Identifier: Apache-2.0
#include "common/export/compressed_tensors/compressed_tensors_layout.h"

#include "common/export/compressed_tensors/packed_linear.h"
#include "common/export_format/compressed_tensors.h"

namespace lwq::qat {

Status CompressedTensorsLayout::Begin(const ExportedModel& model) {
  zero_points_ = model.zero_points;
  return absl::OkStatus();
}

StatusOr<SmallFiles> CompressedTensorsLayout::Configure(const std::vector<BlockFormat>& blocks, Json& config) {
  LWQ_ASSIGN_OR_RETURN(config["quantization_config"], MakeCompressedTensorsConfig(blocks, zero_points_));
  return SmallFiles{};
}

Status CompressedTensorsLayout::Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) {
  LWQ_ASSIGN_OR_RETURN(PackedLinear packed, PackLinear(linear, name, &scales_, zero_points_));
  const auto add = [&](std::string_view suffix, HostTensor tensor) {
    tensors[absl::StrCat(name, suffix)] = std::move(tensor);
  };
  add(kPackedWeight, std::move(packed.weight));
  add(kPackedScale, std::move(packed.scale));
  if (packed.zero_point.has_value()) add(kPackedZeroPoint, *std::move(packed.zero_point));
  add(kPackedShape, std::move(packed.shape));
  return absl::OkStatus();
}

void CompressedTensorsLayout::AddMetrics(Json& metrics) const {
  metrics["scales_rounded"] = scales_.changed;
  metrics["max_scale_rounding"] = scales_.max_relative_error;
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kCompressedTensors>() {
  return std::make_unique<CompressedTensorsLayout>();
}

}  // namespace lwq::qat
