// SPDX-License-Identifier: Apache-2.0
// gguf, gguf_q4_1: one file for llama.cpp with the quantized linears in ggml's blocks (common/export_format/gguf.h says
// in which), tokenizer and chat template inside.
//
// Every linear is unpacked again as it is packed, and compared with the weights of its checkpoint: what the file holds
// is known before it is written. INTERNAL where a type that is exact was not.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/export/export_layout.h"
#include "common/export/gguf/gguf_value.h"
#include "common/export/half.h"
#include "common/export_format/gguf.h"

namespace lwq::qat {

class GgufLayout : public ExportLayout {
 public:
  explicit GgufLayout(GgufFourBits four_bits) : four_bits_(four_bits) {}

  bool is_self_contained() const override { return true; }
  // Reads the tokenizer. FAILED_PRECONDITION for a model or tokenizer that llama.cpp has not.
  Status Begin(const ExportedModel& model) override;
  StatusOr<SmallFiles> Configure(const std::vector<BlockFormat>& blocks, Json& config) override;
  std::unique_ptr<TensorFiles> LayOut(std::vector<PlannedTensor> tensors, int64_t shard_bytes) override;
  Status Add(const QuantizedLinear& linear, const std::string& name, NamedTensors& tensors) override;
  // scales_rounded, max_scale_rounding; weights_rounded, max_weight_rounding.
  void AddMetrics(Json& metrics) const override;

 private:
  Status Compare(const QuantizedLinear& linear, const HostTensor& unpacked, bool exact, const std::string& name);

  const GgufFourBits four_bits_;
  ZeroPoints zero_points_ = ZeroPoints::kAny;
  LlamaConfig config_;
  bool interleaved_heads_ = false;
  GgufMetadata metadata_;
  HalfRounding scales_;
  int64_t weights_rounded_ = 0;
  double max_weight_rounding_ = 0;
};

}  // namespace lwq::qat
