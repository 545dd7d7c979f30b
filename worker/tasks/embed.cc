// SPDX-License-Identifier: Apache-2.0
// Token windows → A(0): the rows of the embedding.
#include "common/artifact/samples.h"
#include "common/export/model_blocks.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

// Samples until somebody asks to stop.
class StoppableSamples : public SampleRange {
 public:
  StoppableSamples(SampleSource* source, const qat::CancelToken* cancel)
      : SampleRange(source, 0, source->samples()), cancel_(cancel) {}
  StatusOr<HostTensor> Read(int64_t first, int64_t count) override {
    LWQ_RETURN_IF_ERROR(CheckCancelled(*cancel_));
    return SampleRange::Read(first, count);
  }

 private:
  const qat::CancelToken* cancel_;
};

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kEmbed>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EmbedParams params, EmbedParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const DType dtype, ParseDType(params.dtype));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef tokens_ref, InputOf(task, "tokens"));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, SampleSetReader::Open(context.blobs, tokens_ref));
  LWQ_ASSIGN_OR_RETURN(const HostTensor embedding, qat::LoadEmbedding(model->tensors(), model->config()));
  const int64_t seqlen = tokens->sample_shape().empty() ? 0 : tokens->sample_shape()[0];
  const int64_t hidden = model->config().hidden_size;
  SampleSetWriter writer(context.store, dtype, {seqlen, hidden}, ChunkSamples(seqlen * hidden * DTypeBytes(dtype), 1));
  StoppableSamples stoppable(tokens.get(), context.cancel);
  LWQ_RETURN_IF_ERROR(qat::Embed(model->config(), embedding, stoppable, dtype, writer));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["activations"], writer.Finish());
  return outcome;
}

}  // namespace lwq::worker
