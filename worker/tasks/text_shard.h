// SPDX-License-Identifier: Apache-2.0
// What the tasks share that pass a shard of a text's windows through a model: evaluate_ppl, evaluate_reference and
// evaluate_kl.
//
// One thread. The task's context must outlive what is opened.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/artifact/samples.h"
#include "common/json/json.h"
#include "worker/qat/api/block_ops.h"
#include "worker/tasks/model_inputs.h"
#include "worker/tasks/task.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {

class TextShard {
 public:
  // Shard `shard` of `shards` of the task's input "tokens". INVALID_ARGUMENT where there is no such shard, or no
  // windows at all.
  static StatusOr<TextShard> Open(const Task& task, const TaskContext& context, int64_t micro_batch, int64_t shard,
                                  int64_t shards);

  int64_t first() const { return range_.first; }
  int64_t windows() const { return range_.count; }  // 0 where a text has fewer than there are shards
  int64_t seqlen() const { return tokens_->sample_shape()[0]; }
  SampleRange tokens() const { return {tokens_.get(), range_.first, range_.count}; }

  // FAILED_PRECONDITION where one is no number: a model that a recipe has broken still has losses, however large; one
  // whose weights or activations are not finite has none.
  Status CheckFinite(const std::vector<double>& losses) const;
  // What every such task reports.
  Json Metrics() const { return Json{{"first_window", range_.first}, {"windows", range_.count}}; }

 private:
  std::unique_ptr<SampleSetReader> tokens_;
  WindowRange range_;
};

// The model as the task has it, opened for a pass over windows.
struct EvaluatedModel {
  std::unique_ptr<ModelInput> model;
  qat::HeadWeights head;
  std::function<StatusOr<qat::BlockState>(int64_t)> load_block;

  const LlamaConfig& config() const { return model->config(); }
};
StatusOr<EvaluatedModel> OpenEvaluatedModel(const Task& task, const TaskContext& context);

qat::PerplexityOptions PassOptions(const TaskContext& context, int64_t micro_batch);

}  // namespace lwq::worker
