// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "worker/qat/api/block_ops.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/embed_rows.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {

Status Embed(const LlamaConfig& config, const HostTensor& embedding, SampleSource& tokens, DType out_dtype,
             SampleSink& out) {
  return TorchGuard("embedding tokens", [&]() -> Status {
    LWQ_RETURN_IF_ERROR(CheckEmbedding(config, embedding));
    CheckTokens(tokens, 1);
    CheckActivationType(out_dtype, "embedded tokens");
    for (int64_t sample = 0; sample < tokens.samples(); ++sample) {
      LWQ_ASSIGN_OR_RETURN(const HostTensor ids, tokens.Read(sample, 1));
      LWQ_ASSIGN_OR_RETURN(const HostTensor rows, EmbedRows(config, embedding, ids));
      LWQ_RETURN_IF_ERROR(out.Append(ToHostTensor(ToTensor(rows, ScalarTypeOf(out_dtype), at::kCPU))));
    }
    return absl::OkStatus();
  });
}

}  // namespace lwq::qat
