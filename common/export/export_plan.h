// SPDX-License-Identifier: Apache-2.0
// Which tensors an exported model holds, and in which order, before any of them exists: a file's header comes before
// its data, so a model that is streamed block by block must be laid out first.
//
// Dtypes: linears as the format says; everything else as it is, byte for byte: embedding, final norm and head in the
// source's dtype, block norms in the checkpoint's (fp32 once trained). Nothing that was validated is rounded on its
// way out, and loaders cast to torch_dtype. Order: embedding, blocks ascending (in each, wide dtypes first so that
// data stays aligned, then by name), final norm, head. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/export/block_format.h"
#include "common/export_format/export_format.h"
#include "common/model/llama_config.h"
#include "common/status/status.h"

namespace lwq::qat {

// FAILED_PRECONDITION naming block, linear, width and the formats that can hold it, or the group size that it cannot.
Status CheckFormatHolds(ExportFormat format, int64_t block, const BlockFormat& layout,
                        ZeroPoints zero_points = ZeroPoints::kAny);

struct PlannedTensor {
  std::string name;
  DType dtype = DType::kF16;
  std::vector<int64_t> shape;
  int64_t block = 0;               // −1: before the blocks; num_hidden_layers: after them
  bool quantized_part = false;     // counts as stored bits of a quantized linear
  std::string_view encoding = {};  // what U8 holds where it is not numbers (common/export_format/export_format.h)
  int64_t bytes() const;
};

// Dtypes of what is copied from the source model.
struct HeadDTypes {
  DType embedding = DType::kF16;
  DType final_norm = DType::kF16;
  DType lm_head = DType::kF16;  // not used when tied
};

// `zero_points`: what those of all blocks are, which some formats make use of.
std::vector<PlannedTensor> PlanTensors(const LlamaConfig& config, const HeadDTypes& head, ExportFormat format,
                                       const std::vector<BlockFormat>& blocks,
                                       ZeroPoints zero_points = ZeroPoints::kAny);

}  // namespace lwq::qat
