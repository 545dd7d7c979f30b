// SPDX-License-Identifier: Apache-2.0
// gptq_v2: qweight, qzeros, scales and g_idx of every quantized linear (gptq_layout.h), and GPTQ's config
// (gptq_export_config.h) both as quantize_config.json and in config.json.
#pragma once

#include "common/export/export_layout.h"
#include "common/export/half.h"

namespace lwq::qat {

class GptqV2Layout : public ExportLayout {
 public:
  Status Begin(const ExportedModel& model) override;
  StatusOr<SmallFiles> Configure(const std::vector<BlockFormat>& blocks, Json& config) override;
  Status Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) override;
  // scales_rounded, max_scale_rounding.
  void AddMetrics(Json& metrics) const override;

 private:
  ZeroPoints zero_points_ = ZeroPoints::kAny;
  HalfRounding scales_;
};

}  // namespace lwq::qat
