// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/evaluate/check_head.h"

#include "worker/qat/evaluate/embed_rows.h"

namespace lwq::qat {

Status CheckHead(const LlamaConfig& config, const HeadWeights& head) {
  LWQ_RETURN_IF_ERROR(CheckEmbedding(config, head.embedding));
  LWQ_RETURN_IF_ERROR(Annotate(CheckEmbedding(config, head.lm_head), "lm_head"));
  if (head.final_norm.shape != std::vector<int64_t>{config.hidden_size}) {
    return absl::InvalidArgumentError(absl::StrCat("the final norm must be [", config.hidden_size, "]"));
  }
  return absl::OkStatus();
}

}  // namespace lwq::qat
