// SPDX-License-Identifier: Apache-2.0
// compressed_tensors: the tensors of every quantized linear (packed_linear.h) and compressed-tensors'
// quantization_config in config.json; no other file.
#pragma once

#include "common/export/export_layout.h"
#include "common/export/half.h"

namespace lwq::qat {

class CompressedTensorsLayout : public ExportLayout {
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

// The config of a model whose blocks are stored as `blocks` says: a group for each width and group size, whose targets
// are whole blocks where all linears of a block are of the group; "Linear" where there is one group in all. Expressions
// match the fused modules of serving stacks (qkv_proj, gate_up_proj) too. Linears at full precision are ignored by
// name. INVALID_ARGUMENT where nothing is quantized. Pure.
StatusOr<Json> MakeCompressedTensorsConfig(const std::vector<BlockFormat>& blocks,
                                           ZeroPoints zero_points = ZeroPoints::kAny);

}  // namespace lwq::qat
