// SPDX-License-Identifier: Apache-2.0
// fake_quant: a plain model whose linears hold the decoded weights in fp16 (fake_quant_weight.h).
#pragma once

#include "common/export/export_layout.h"
#include "common/export/fake_quant/fake_quant_weight.h"

namespace lwq::qat {

class FakeQuantLayout : public ExportLayout {
 public:
  StatusOr<SmallFiles> Configure(const std::vector<BlockFormat>& blocks, Json& config) override;
  Status Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) override;
  // weights_rounded, max_weight_rounding.
  void AddMetrics(Json& metrics) const override;

 private:
  DecodeRounding weights_;
};

}  // namespace lwq::qat
