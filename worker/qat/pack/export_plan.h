// Which tensors an exported model holds, in which shard and in which order, before any of them exists: a safetensors
// header comes before its data, so a model that is streamed block by block must be laid out first.
//
// Dtypes: linears as the format says; everything else as it is, byte for byte: embedding, final norm and head in the
// source's dtype, block norms in the checkpoint's (fp32 once trained). Nothing that was validated is rounded on its
// way out, and loaders cast to torch_dtype. Order: embedding, blocks ascending (in each, wide dtypes first so that
// data stays aligned, then by name), final norm, head. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/json/json.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"
#include "worker/qat/pack/block_format.h"

namespace lwq::qat {

enum class ExportFormat { kGptqV2, kFakeQuant };

std::string_view ExportFormatName(ExportFormat format);  // "gptq_v2", "fake_quant"
// INVALID_ARGUMENT naming what is supported.
StatusOr<ExportFormat> ParseExportFormat(std::string_view name);
// gptq_v2 has a layout for 2, 3, 4 and 8 bits; fake_quant holds every width.
bool FormatHoldsBits(ExportFormat format, int bits);
// FAILED_PRECONDITION naming block, linear, width and the formats that can hold it.
Status CheckFormatHolds(ExportFormat format, int64_t block, const BlockFormat& layout);

struct PlannedTensor {
  std::string name;
  DType dtype = DType::kF16;
  std::vector<int64_t> shape;
  int64_t block = 0;            // −1: before the blocks; num_hidden_layers: after them
  bool quantized_part = false;  // counts as stored bits of a quantized linear
  int64_t bytes() const;
};

// Dtypes of what is copied from the source model.
struct HeadDTypes {
  DType embedding = DType::kF16;
  DType final_norm = DType::kF16;
  DType lm_head = DType::kF16;  // not used when tied
};

std::vector<PlannedTensor> PlanTensors(const LlamaConfig& config, const HeadDTypes& head, ExportFormat format,
                                       const std::vector<BlockFormat>& blocks);

struct PlannedShard {
  std::string path;
  size_t first = 0;  // tensors [first, first + count) of the plan
  size_t count = 0;
};

// Tensors in order, a new shard whenever one more would exceed `shard_bytes` of data (a tensor larger than that is
// alone). One shard is "model.safetensors", more are "model-00001-of-0000N.safetensors".
std::vector<PlannedShard> PlanShards(const std::vector<PlannedTensor>& tensors, int64_t shard_bytes);

// The safetensors header of a shard, its eight length bytes included; data follows in plan order without gaps.
std::string ShardHeader(const std::vector<PlannedTensor>& tensors, const PlannedShard& shard);
// model.safetensors.index.json
Json ShardIndex(const std::vector<PlannedTensor>& tensors, const std::vector<PlannedShard>& shards);

}  // namespace lwq::qat
