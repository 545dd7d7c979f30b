// Perplexity of the model with the given block checkpoints, or of the model as it is.
#include "common/artifact/samples.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/pack/model_blocks.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

StatusOr<TaskOutcome> ExecuteEvaluatePpl(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const EvaluatePplParams params, EvaluatePplParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef tokens_ref, InputOf(task, "tokens"));
  LWQ_ASSIGN_OR_RETURN(const auto tokens, SampleSetReader::Open(context.blobs, tokens_ref));
  LWQ_ASSIGN_OR_RETURN(const qat::HeadWeights head, qat::LoadHead(model->tensors(), model->config()));
  const qat::PerplexityOptions options{.micro_batch = params.micro_batch,
                                       .execution = context.execution,
                                       .scratch_directory = context.scratch_directory};
  const auto load_block = [&model](int64_t block) { return model->CurrentBlock(block); };
  LWQ_ASSIGN_OR_RETURN(
      const qat::PerplexityResult measured,
      qat::EvaluatePerplexity(model->config(), head, load_block, *tokens, options, context.progress, *context.cancel));
  TaskOutcome outcome;
  outcome.result.metrics = Json{{"perplexity", measured.perplexity},
                                {"nll_sum", measured.nll_sum},
                                {"windows", measured.windows},
                                {"tokens", measured.tokens}};
  return outcome;
}

}  // namespace lwq::worker
