// SPDX-License-Identifier: Apache-2.0
// From one export format to another: the codes, scales and zero points of a quantized model in another layout.
//
// Between gptq_v2, gptq and compressed_tensors nothing is rounded, so that the way back gives the same bytes; gptq
// takes symmetric models. Into fake_quant weights are rounded to fp16, and into gguf_q4_1 those of 4 bits (export.h
// says under which names that is counted). Out of fake_quant and GGUF there is no way: their files do not say which
// codes there were.
//
// One block and two pieces of the output are in memory at a time. Thread-safety: one thread.
#pragma once

#include "common/artifact/file_tree.h"
#include "common/export/export.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/recipe/choices.h"
#include "common/recipe/zero_points.h"
#include "common/status/status.h"

namespace lwq::qat {

struct QuantizedModel {
  LlamaConfig config;  // with its quantization_config
  TensorSource* tensors = nullptr;
  const FileTree* files = nullptr;       // config.json, the tokenizer's
  const FileTree* companions = nullptr;  // what is copied through, whatever the format; may be null
};

// What its linears are stored in. FAILED_PRECONDITION for a plain model; the errors of quantization.h.
StatusOr<ExportFormat> FormatOfModel(const LlamaConfig& config);

// Its blocks, as they are read (model_blocks.h). Each is read for its format and again for its weights.
class ModelBlocks : public BlockSource {
 public:
  // Both must outlive it.
  ModelBlocks(const LlamaConfig* config, TensorSource* tensors) : config_(config), tensors_(tensors) {}
  int64_t blocks() const override { return config_->num_hidden_layers; }
  StatusOr<BlockFormat> Format(int64_t block) override;
  StatusOr<BlockState> Load(int64_t block) override;

 private:
  const LlamaConfig* config_;
  TensorSource* tensors_;
};

// The kind of zero points that all blocks have, as far as formats make use of it (zero_points.h): symmetric ones of 2
// bits are middle ones, too, and count as symmetric. Reads every block.
StatusOr<ZeroPoints> ZeroPointsOfBlocks(BlockSource& blocks);

// WriteExport's metrics. FAILED_PRECONDITION, before anything is written: a plain model, a format that the model has
// already, a width or group size that the format has no place for, what llama.cpp lacks. Else WriteExport's errors.
StatusOr<Json> ConvertExport(const QuantizedModel& model, ExportFormat format, FileSink& sink,
                             const ProgressSink& progress, const CancelToken& cancel);

}  // namespace lwq::qat
