// SPDX-License-Identifier: Apache-2.0
// GPTQ of one block on what it reads: A(k) and the model's block → a checkpoint, and the weights it was rounded from.
#include "worker/qat/api/gptq.h"

#include <string>
#include <utility>

#include "common/artifact/samples.h"
#include "common/export/block_checkpoint.h"
#include "common/recipe/zero_points.h"
#include "common/task/task_params.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

qat::GptqOptions OptionsOf(const GptqBlockParams& params, const TaskContext& context) {
  return {.bits = params.bits,
          .group_size = params.group_size,
          .damp_percent = params.damp_percent,
          .desc_act = params.desc_act,
          .fp16_scales = params.fp16_scales,
          .range_contains_zero = params.range_contains_zero,
          .zero_points = ZeroPointsOf(params),
          .keep_latent = params.keep_latent,
          .execution = context.execution};
}

Json MetricsOf(const std::vector<qat::GptqLinearStats>& all) {
  Json linears = Json::array();
  for (const qat::GptqLinearStats& stats : all) {
    linears.push_back({{"linear", std::string(LinearName(stats.kind))},
                       {"error", stats.error},
                       {"damp_percent", stats.damp_percent},
                       {"dead_columns", stats.dead_columns}});
  }
  return Json{{"linears", std::move(linears)}};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kGptqBlock>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const GptqBlockParams params, GptqBlockParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations, OpenShard(task, context, "activations", 0, params.samples));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->Block(params.block));
  LWQ_ASSIGN_OR_RETURN(const qat::GptqOutcome quantized,
                       qat::QuantizeGptq(model->config(), block, *activations, OptionsOf(params, context),
                                         context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["block"], qat::PublishBlock(*context.store, quantized.block));
  if (params.keep_latent) {
    LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["latent"], qat::PublishBlock(*context.store, quantized.latent));
  }
  outcome.result.metrics = MetricsOf(quantized.linears);
  return outcome;
}

}  // namespace lwq::worker
