// SPDX-License-Identifier: Apache-2.0
// A(k) of the full-precision chain → the scales of block k's channels.
#include "absl/strings/str_cat.h"
#include "common/artifact/samples.h"
#include "common/task/task_params.h"
#include "worker/qat/api/prepare.h"
#include "worker/tasks/block_scales.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/sensitivity_inputs.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

Json MetricsOf(const qat::ScaleSearch& search) {
  Json sources = Json::array();
  for (const qat::ScaledSource source : qat::kScaledSources) {
    const qat::SourceScales& found = search.found[static_cast<size_t>(source)];
    sources.push_back({{"source", std::string(qat::ScaledSourceName(source))},
                       {"exponent", found.exponent},
                       {"error", found.error},
                       {"error_as_is", found.error_as_is}});
  }
  return Json{{"sources", std::move(sources)}};
}

}  // namespace

template <>
StatusOr<TaskOutcome> ExecuteKind<TaskKind::kSearchScales>(const Task& task, const TaskContext& context) {
  LWQ_ASSIGN_OR_RETURN(const SearchScalesParams params, SearchScalesParams::FromJson(task.params));
  LWQ_ASSIGN_OR_RETURN(const auto model, ModelInput::Open(task, context));
  LWQ_ASSIGN_OR_RETURN(const auto activations, OpenShard(task, context, "activations", 0, params.samples));
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState block, model->Block(params.block));
  const qat::ScaleSearchOptions options{.bits = params.bits,
                                        .group_size = params.group_size,
                                        .steps = params.steps,
                                        .zero_points = params.sym ? ZeroPoints::kSymmetric : ZeroPoints::kAny,
                                        .error_samples = params.error_samples,
                                        .execution = context.execution};
  LWQ_ASSIGN_OR_RETURN(const qat::ScaleSearch search, qat::SearchScales(model->config(), block, *activations, options,
                                                                        context.progress, *context.cancel));
  TaskOutcome outcome;
  LWQ_ASSIGN_OR_RETURN(outcome.result.outputs["scales"], PublishScales(*context.store, search.scales));
  outcome.result.metrics = MetricsOf(search);
  return outcome;
}

}  // namespace lwq::worker
