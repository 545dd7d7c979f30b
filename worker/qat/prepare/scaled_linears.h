// SPDX-License-Identifier: Apache-2.0
// Which linears read the channels of a source, and which scale each of their columns has (worker/qat/api/prepare.h).
// Pure.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/model/llama_config.h"
#include "worker/qat/api/prepare.h"

namespace lwq::qat {

inline ScaledSource SourceReadBy(LinearKind kind) {
  switch (kind) {
    case LinearKind::kQ:
    case LinearKind::kK:
    case LinearKind::kV:
      return ScaledSource::kInputNorm;
    case LinearKind::kO:
      return ScaledSource::kValues;
    case LinearKind::kGate:
    case LinearKind::kUp:
      return ScaledSource::kPostAttentionNorm;
    case LinearKind::kDown:
      return ScaledSource::kUp;
  }
  LWQ_CHECK(false, "no linear ", static_cast<int>(kind));
}

// [channels] → a value for each column that reads them. Of values [key/value heads × head_dim]: one for each query head
// and element, where query head h reads key/value head h · key/value heads / heads. Others are as they are.
inline at::Tensor ColumnScales(const LlamaConfig& config, ScaledSource source, const at::Tensor& channels) {
  if (source != ScaledSource::kValues) return channels;
  const int64_t readers = config.num_attention_heads / config.num_key_value_heads;
  return channels.view({config.num_key_value_heads, 1, config.head_dim})
      .expand({config.num_key_value_heads, readers, config.head_dim})
      .reshape({-1});
}

// The way back: the mean over the query heads that read a channel.
inline at::Tensor ChannelMeans(const LlamaConfig& config, ScaledSource source, const at::Tensor& columns) {
  if (source != ScaledSource::kValues) return columns;
  return columns.view({config.num_key_value_heads, -1, config.head_dim}).mean(1).reshape({-1});
}

}  // namespace lwq::qat
