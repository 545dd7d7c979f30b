// SPDX-License-Identifier: Apache-2.0
// From the source model and its trained blocks to a directory that serving stacks load.
//
// gptq_v2     model.safetensors with qweight, qzeros, scales, g_idx per linear, quantize_config.json, and config.json's
//             quantization_config (common/export/gptq/gptq_linear.h). Integers, zero points and fp16 scales are those
//             of the checkpoints, bit for bit.
// gptq        the same with zero points stored less one, symmetric models only: GPTQ's version 1. As exact.
// compressed_tensors
//             model.safetensors with weight_packed, weight_scale, weight_zero_point, weight_shape per linear, and
//             config.json's quantization_config (common/export/compressed_tensors/packed_linear.h). As
//             exact.
// fake_quant  a plain model whose linears hold the decoded weights in fp16 (common/export/fake_quant/
//             fake_quant_layout.h): rounded, so that its perplexity can differ from the checkpoints' in the last
//             digits. It reads back exactly as stored.
// gguf, gguf_q4_1
//             model.gguf for llama.cpp, with config, tokenizer and chat template inside (common/export/gguf/
//             gguf_layout.h): no other file but licence and companions. Weights are the checkpoints', but for 4 bits in
//             gguf_q4_1.
// Biases stand beside each, and so does a head that differs from the embedding config.json ties it to: the exported
// config.json then says that they are not tied. Other tensors are copied as they are (export_plan.h); torch_dtype
// becomes float16. Tokenizer files and the model's other small files are copied through.
//
// Streams: one block (or the embedding, or the head) and two pieces of the output are in memory at a time.
// Deterministic: equal inputs give equal bytes and so an equal artifact. Thread-safety: one call uses the calling
// thread and one for uploads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/file_tree.h"
#include "common/export/block.h"
#include "common/export/block_format.h"
#include "common/export/export_plan.h"
#include "common/export/file_sink.h"
#include "common/export/progress.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"

namespace lwq::qat {

// Where an export's blocks come from. Format is asked for all blocks first, then Load for each, ascending.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  virtual int64_t blocks() const = 0;
  virtual StatusOr<BlockFormat> Format(int64_t block) = 0;
  virtual StatusOr<BlockState> Load(int64_t block) = 0;
};

// Block checkpoints, artifacts[k] for block k. `blobs` must outlive it.
class CheckpointBlocks : public BlockSource {
 public:
  CheckpointBlocks(BlobSource* blobs, std::vector<ArtifactRef> artifacts)
      : blobs_(blobs), artifacts_(std::move(artifacts)) {}
  int64_t blocks() const override { return static_cast<int64_t>(artifacts_.size()); }
  StatusOr<BlockFormat> Format(int64_t block) override;
  StatusOr<BlockState> Load(int64_t block) override;

 private:
  BlobSource* blobs_;
  std::vector<ArtifactRef> artifacts_;
};

struct ExportOptions {
  ExportFormat format = ExportFormat::kGptqV2;  // not kNone
  int64_t shard_bytes = int64_t{4} << 30;       // of tensor data in one safetensors file
  const FileTree* tokenizer = nullptr;          // whose files are copied through as the model's own are; may be null
  // Other files that belong to the model (chat templates, licence, model card): all are copied through, in folders too,
  // but none in place of what the export writes itself. May be null.
  const FileTree* companions = nullptr;
  // What the zero points of all blocks are. INVALID_ARGUMENT where a format that makes use of it finds another one.
  ZeroPoints zero_points = ZeroPoints::kAny;
};

struct ExportResult {
  ArtifactRef files;
  // format; file_bytes (of all files); tensor_bytes; shards; quantized_weights; stored_bits_per_weight (of quantized
  // linears: codes, scales, zero points and padding as written, without g_idx); average_bits (plain mean of the
  // widths over weights); gptq_v2, gptq, compressed_tensors: scales_rounded, max_scale_rounding (relative; 0 unless a
  // preset trained scales that are not fp16 numbers); fake_quant: weights_rounded, max_weight_rounding (absolute);
  // gguf, gguf_q4_1: all four.
  Json metrics = Json::object();
};

// What an export is made from besides its blocks: a model's tensors outside them, and its files.
struct ExportSource {
  LlamaConfig config;               // without quantization_config
  TensorSource* tensors = nullptr;  // of them embedding, final norm and head are read
  const FileTree* files = nullptr;  // config.json, also without it, and what is copied through
};

// Errors: FAILED_PRECONDITION when the format cannot hold a block's width (before anything is written) or the model
// is quantized already; INVALID_ARGUMENT when blocks do not fit the model; CANCELLED; those of reading and of the
// store.
StatusOr<ExportResult> ExportModel(const FileTree& model, BlockSource& blocks, const ExportOptions& options,
                                   ArtifactStore& store, const ProgressSink& progress, const CancelToken& cancel);

// The same of any source into any files: the metrics. After an error what was written is of no use.
StatusOr<Json> WriteExport(const ExportSource& source, BlockSource& blocks, const ExportOptions& options,
                           FileSink& sink, const ProgressSink& progress, const CancelToken& cancel);

}  // namespace lwq::qat
