// Perplexity of the model with the given block checkpoints, or of the model as it is.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/artifact/samples.h"
#include "common/task/task_params.h"
#include "worker/qat/api/block_ops.h"
#include "worker/qat/pack/model_blocks.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

// A model that a recipe has broken still has a perplexity, however large: beyond double it counts as the largest one,
// and nll_sum says how bad it is. A loss that is no number says nothing, and JSON could not hold it.
StatusOr<Json> PplMetrics(const qat::PerplexityResult& measured) {
  if (!std::isfinite(measured.nll_sum)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss over ", measured.windows, " windows is ", measured.nll_sum,
                     ": the model's weights or activations are not finite, so it has no perplexity"));
  }
  return Json{{"perplexity", std::min(measured.perplexity, std::numeric_limits<double>::max())},
              {"nll_sum", measured.nll_sum},
              {"windows", measured.windows},
              {"tokens", measured.tokens}};
}

}  // namespace

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
  LWQ_ASSIGN_OR_RETURN(outcome.result.metrics, PplMetrics(measured));
  return outcome;
}

}  // namespace lwq::worker
