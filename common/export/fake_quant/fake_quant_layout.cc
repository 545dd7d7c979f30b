// SPDX-License-Identifier: Apache-2.0
#include "common/export/fake_quant/fake_quant_layout.h"

namespace lwq::qat {

StatusOr<SmallFiles> FakeQuantLayout::Configure(const std::vector<BlockFormat>&, Json&) {
  return SmallFiles{};
}

Status FakeQuantLayout::Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) {
  LWQ_ASSIGN_OR_RETURN(tensors[name + ".weight"], DecodeToF16(linear, name, &weights_));
  return absl::OkStatus();
}

void FakeQuantLayout::AddMetrics(Json& metrics) const {
  metrics["weights_rounded"] = weights_.changed;
  metrics["max_weight_rounding"] = weights_.max_absolute_error;
}

template <>
std::unique_ptr<ExportLayout> LayoutOf<ExportFormat::kFakeQuant>() {
  return std::make_unique<FakeQuantLayout>();
}

}  // namespace lwq::qat
