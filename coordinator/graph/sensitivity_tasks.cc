// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/sensitivity_tasks.h"

#include <algorithm>

#include "common/task/task_params.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"

namespace lwq::coordinator {
namespace {

struct Shard {
  int64_t first = 0;
  int64_t samples = 0;
};

std::vector<Shard> ShardsOf(const Recipe& recipe) {
  std::vector<Shard> shards;
  for (int64_t first = 0; first < recipe.sensitivity_samples; first += recipe.sensitivity_shard_samples) {
    shards.push_back({first, std::min(recipe.sensitivity_shard_samples, recipe.sensitivity_samples - first)});
  }
  return shards;
}

std::vector<QuantChoice> ChoicesOf(const Recipe& recipe) {
  StatusOr<std::vector<QuantChoice>> choices = SensitivityChoices(recipe);
  LWQ_CHECK(choices.ok(), "the recipe was resolved: ", MessageOf(choices.status()));
  return *std::move(choices);
}

class SensitivityBuilder {
 public:
  SensitivityBuilder(const SensitivityRequest& request, const SensitivityContext& context)
      : request_(request), context_(context), recipe_(context.recipe), shards_(ShardsOf(context.recipe)) {
    pending_.metric = request.metric;
    pending_.blocks = request.blocks;
    pending_.trained_blocks = request.trained_blocks;
    gradients_.resize(shards_.size());
  }

  PendingMeasurement Build() {
    if (request_.metric.has_value()) AddMetric(*request_.metric);
    if (request_.squared_error) AddWeightErrors();
    return std::move(pending_);
  }

 private:
  void AddMetric(SensitivityMetric metric) {
    switch (metric) {
      case SensitivityMetric::kFisher:
        return AddByGradient(/*norm_of_mean=*/false);
      case SensitivityMetric::kGradient:
        return AddByGradient(/*norm_of_mean=*/true);
      case SensitivityMetric::kHessian:
        return AddHessian();
      case SensitivityMetric::kLossDelta:
        return AddLossDelta(/*pilot=*/false);
      case SensitivityMetric::kOutputFisher:
        return AddOutputFisher();
      case SensitivityMetric::kPilot:
        return AddLossDelta(/*pilot=*/true);
    }
  }

  int64_t blocks() const { return context_.model.blocks(); }
  bool sums_gradients() const { return request_.metric == SensitivityMetric::kGradient; }

  PlannedTask Sharded(TaskKind kind, std::string_view what, size_t shard, int64_t block) const {
    PlannedTask task;
    task.def.kind = kind;
    task.def.inputs["model"] = context_.spec.model->files;
    task.title =
        shards_.size() == 1 ? std::string(what) : absl::StrCat(what, ", shard ", shard + 1, " of ", shards_.size());
    task.block = block;
    return task;
  }

  void AddPart(const Digest& task, TaskKind kind, int64_t block, int64_t probe = 0) {
    pending_.parts.push_back({task, kind, block, probe});
  }

  // The task that makes G(block) of the shard.
  Digest GradientTask(size_t shard, int64_t block) {
    std::vector<Digest>& made = gradients_[shard];  // G(n), G(n−1), …
    if (made.empty()) made.push_back(AddLossGradient(shard));
    while (static_cast<int64_t>(made.size()) <= blocks() - block) {
      made.push_back(AddBackward(shard, blocks() - static_cast<int64_t>(made.size())));
    }
    return made[static_cast<size_t>(blocks() - block)];
  }
  TaskInput GradientsAfter(size_t shard, int64_t block) {
    return TaskOutputRef{GradientTask(shard, block + 1), "gradients"};
  }

  Digest AddLossGradient(size_t shard) {
    PlannedTask task = Sharded(TaskKind::kLossGradient, "gradient of the loss", shard, -1);
    task.def.params = LossGradientParams{shards_[shard].first, shards_[shard].samples}.ToJson();
    task.def.inputs["activations"] = context_.model.ActivationsBefore(blocks());
    task.def.inputs["tokens"] = context_.tokens;
    return context_.tasks.Add(std::move(task));
  }

  // The state of the block under role "block", where it is not at full precision.
  void AddCheckpoint(int64_t block, const std::string& role, PlannedTask& task) const {
    const auto& checkpoint = context_.model.checkpoint(block);
    if (checkpoint.has_value()) task.def.inputs[role] = *checkpoint;
  }

  // The weights of the block that are measured: those of its state, or of the block as it will be quantized.
  void AddMeasuredBlock(int64_t block, const std::string& role, PlannedTask& task) const {
    AddCheckpoint(block, role, task);
    if (!task.def.inputs.contains(role)) AddScalesInput(context_.scales, block, task.def);
  }

  Digest AddBackward(size_t shard, int64_t block) {
    const TaskInput after = GradientsAfter(shard, block);
    PlannedTask task = Sharded(TaskKind::kBackwardBlock, absl::StrCat("gradient through block ", block), shard, block);
    task.def.params =
        BackwardBlockParams{block, shards_[shard].first, shards_[shard].samples, sums_gradients()}.ToJson();
    task.def.inputs["activations"] = context_.model.ActivationsBefore(block);
    task.def.inputs["gradients"] = after;
    AddMeasuredBlock(block, "block", task);
    return context_.tasks.Add(std::move(task));
  }

  void AddByGradient(bool norm_of_mean) {
    for (const int64_t block : request_.blocks) {
      std::vector<Digest> shards;
      for (size_t shard = 0; shard < shards_.size(); ++shard) shards.push_back(GradientTask(shard, block));
      if (!norm_of_mean) {
        for (const Digest& task : shards) AddPart(task, TaskKind::kBackwardBlock, block);
        continue;
      }
      PlannedTask task;
      task.def.kind = TaskKind::kGradientNorm;
      task.def.params = GradientNormParams{recipe_.sensitivity_samples}.ToJson();
      for (size_t shard = 0; shard < shards.size(); ++shard) {
        task.def.inputs[absl::StrCat("sum.", shard)] = TaskOutputRef{shards[shard], "gradient_sum"};
      }
      task.title = absl::StrCat("norm of block ", block, "'s gradient");
      task.block = block;
      AddPart(context_.tasks.Add(std::move(task)), TaskKind::kGradientNorm, block);
    }
  }

  void AddOutputFisher() {
    for (const int64_t block : request_.blocks) {
      for (size_t shard = 0; shard < shards_.size(); ++shard) {
        const TaskInput after = GradientsAfter(shard, block);
        PlannedTask task =
            Sharded(TaskKind::kOutputFisher, absl::StrCat("output errors of block ", block), shard, block);
        task.def.params = OutputFisherParams{.block = block,
                                             .first_sample = shards_[shard].first,
                                             .samples = shards_[shard].samples,
                                             .choices = ChoicesOf(recipe_),
                                             .fp16_scales = recipe_.fp16_scales,
                                             .range_contains_zero = recipe_.range_contains_zero,
                                             .middle_zero_points = recipe_.middle_zero_points,
                                             .sym = recipe_.sym}
                              .ToJson();
        task.def.inputs["activations"] = context_.model.ActivationsBefore(block);
        task.def.inputs["gradients"] = after;
        AddCheckpoint(block, "block", task);
        AddScalesInput(context_.scales, block, task.def);  // of what is rounded
        AddPart(context_.tasks.Add(std::move(task)), TaskKind::kOutputFisher, block);
      }
    }
  }

  void AddHessian() {
    const bool whole_model = recipe_.hessian_scope == HessianScope::kModel;
    const std::vector<int64_t> firsts = whole_model ? std::vector<int64_t>{0} : request_.blocks;
    for (const int64_t first : firsts) {
      for (int64_t probe = 0; probe < recipe_.hessian_probes; ++probe) {
        for (size_t shard = 0; shard < shards_.size(); ++shard) {
          AddProbe(first, whole_model ? blocks() : 1, probe, shard);
        }
      }
    }
  }

  void AddProbe(int64_t first, int64_t covered, int64_t probe, size_t shard) {
    const std::string what =
        covered == 1 ? absl::StrCat("curvature of block ", first) : std::string("curvature of the model");
    PlannedTask task =
        Sharded(TaskKind::kHessian, absl::StrCat(what, ", probe ", probe + 1, " of ", recipe_.hessian_probes), shard,
                covered == 1 ? first : -1);
    task.def.params = HessianParams{.first_block = first,
                                    .blocks = covered,
                                    .probe = probe,
                                    .seed = recipe_.seed,
                                    .first_sample = shards_[shard].first,
                                    .samples = shards_[shard].samples}
                          .ToJson();
    task.def.inputs["tokens"] = context_.tokens;
    for (int64_t block = first; block <= blocks(); ++block) {
      task.def.inputs[absl::StrCat("activations.", block)] = context_.model.ActivationsBefore(block);
      if (block > first) {
        task.def.inputs[absl::StrCat("gradients.", block)] = TaskOutputRef{GradientTask(shard, block), "gradients"};
      }
      if (block < blocks()) AddProbedState(first, covered, block, task);
    }
    AddPart(context_.tasks.Add(std::move(task)), TaskKind::kHessian, first, probe);
  }

  // Only the probed blocks are measured; those behind them are passed through.
  void AddProbedState(int64_t first, int64_t covered, int64_t block, PlannedTask& task) const {
    const std::string role = absl::StrCat("block.", block);
    if (block < first + covered) return AddMeasuredBlock(block, role, task);
    AddCheckpoint(block, role, task);
  }

  void AddLossDelta(bool pilot) {
    const std::vector<QuantChoice> choices = ChoicesOf(recipe_);
    for (const int64_t block : request_.blocks) {
      std::vector<TaskOutputRef> candidates;
      if (pilot) {
        for (const QuantChoice& choice : choices) candidates.push_back(context_.add_pilot(block, choice));
      }
      for (size_t shard = 0; shard < shards_.size(); ++shard) {
        PlannedTask task =
            Sharded(TaskKind::kLossDelta, absl::StrCat("loss with block ", block, " quantized"), shard, block);
        task.def.params = LossDeltaParams{.block = block,
                                          .first_sample = shards_[shard].first,
                                          .samples = shards_[shard].samples,
                                          .choices = pilot ? std::vector<QuantChoice>() : choices,
                                          .candidates = static_cast<int64_t>(candidates.size()),
                                          .fp16_scales = recipe_.fp16_scales,
                                          .range_contains_zero = recipe_.range_contains_zero,
                                          .middle_zero_points = recipe_.middle_zero_points,
                                          .sym = recipe_.sym}
                              .ToJson();
        task.def.inputs["activations"] = context_.model.ActivationsBefore(block);
        task.def.inputs["tokens"] = context_.tokens;
        for (int64_t later = block; later < blocks(); ++later) {
          AddCheckpoint(later, absl::StrCat("block.", later), task);
        }
        if (!pilot) AddScalesInput(context_.scales, block, task.def);  // of what is rounded
        for (size_t i = 0; i < candidates.size(); ++i) {
          task.def.inputs[absl::StrCat("candidate.", i)] = candidates[i];
        }
        AddPart(context_.tasks.Add(std::move(task)), TaskKind::kLossDelta, block);
      }
    }
  }

  void AddWeightErrors() {
    for (const int64_t block : request_.blocks) {
      PlannedTask task;
      task.def.kind = TaskKind::kWeightError;
      task.def.params = WeightErrorParams{.block = block,
                                          .choices = ChoicesOf(recipe_),
                                          .fp16_scales = recipe_.fp16_scales,
                                          .range_contains_zero = recipe_.range_contains_zero,
                                          .middle_zero_points = recipe_.middle_zero_points,
                                          .sym = recipe_.sym}
                            .ToJson();
      task.def.inputs["model"] = context_.spec.model->files;
      AddScalesInput(context_.scales, block, task.def);
      task.title = absl::StrCat("weight errors of block ", block);
      task.block = block;
      AddPart(context_.tasks.Add(std::move(task)), TaskKind::kWeightError, block);
    }
  }

  const SensitivityRequest& request_;
  const SensitivityContext& context_;
  const Recipe& recipe_;
  std::vector<Shard> shards_;
  std::vector<std::vector<Digest>> gradients_;  // per shard: what makes G(n), G(n−1), …
  PendingMeasurement pending_;
};

}  // namespace

PendingMeasurement AddSensitivityTasks(const SensitivityRequest& request, const SensitivityContext& context) {
  return SensitivityBuilder(request, context).Build();
}

}  // namespace lwq::coordinator
