#include "coordinator/graph/run_graph.h"

#include <algorithm>
#include <map>
#include <optional>

#include "common/task/task_params.h"
#include "coordinator/graph/run_kinds.h"
#include "coordinator/plan/memory.h"

namespace lwq::coordinator {
namespace {

std::string StoredDtype(const Recipe& recipe) {
  return recipe.activation_dtype == "bf16" ? "BF16" : "F32";
}

class GraphBuilder {
 public:
  GraphBuilder(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe, const Plan& plan,
               const KindBases& bases)
      : spec_(spec), model_(model), recipe_(recipe), plan_(plan), bases_(bases) {}

  std::vector<PlannedTask> Build() {
    if (recipe_.method == "noop") AddNoops();
    if (recipe_.method == "block_ap") AddBlockAp();
    if (recipe_.method == "rtn") AddRtn();
    if (recipe_.method != "noop" && recipe_.eval_ppl) AddEvaluations();
    if (recipe_.export_format != "none") AddExport();
    ComputeDepths();
    return std::move(tasks_);
  }

 private:
  // Adds the task unless the graph has an equal one; returns its key.
  Digest Add(PlannedTask task) {
    task.def.numerics_class = ClassOf(bases_, task.def.kind, recipe_);
    task.key = DerivationKeyOf(task.def);
    if (model_ != nullptr) task.memory_bytes = TaskMemoryBytes(task.def.kind, *model_, recipe_);
    const Digest key = task.key;
    if (index_.emplace(key, tasks_.size()).second) tasks_.push_back(std::move(task));
    return key;
  }

  void AddNoops() {
    for (int64_t i = 0; i < recipe_.train_size; ++i) {
      PlannedTask task;
      task.def.kind = TaskKind::kNoop;
      task.def.params = Json{{"index", i}, {"seed", recipe_.seed}};
      task.title = absl::StrCat("no-op ", i);
      Add(std::move(task));
    }
  }

  Digest AddAdvance(int64_t block, const TaskInput& activations, const std::optional<Digest>& checkpoint) {
    PlannedTask task;
    task.def.kind = TaskKind::kAdvance;
    task.def.params =
        AdvanceParams{.block = block, .micro_batch = recipe_.batch_size, .dtype = StoredDtype(recipe_)}.ToJson();
    task.def.inputs["model"] = spec_.model->files;
    task.def.inputs["activations"] = activations;
    if (checkpoint.has_value()) task.def.inputs["block"] = TaskOutputRef{*checkpoint, "block"};
    task.title = absl::StrCat("advance ", checkpoint.has_value() ? "quantized" : "full-precision", " block ", block);
    task.block = block;
    return Add(std::move(task));
  }

  struct TrainStart {
    std::optional<Digest> earlier;  // the training this one goes on from
    bool keep_latent = false;       // another will go on from this one
  };

  Digest AddTrain(const BlockPlan& block, const TaskInput& inputs, const TaskInput& targets, const TrainStart& start) {
    TrainBlockParams params;
    params.block = block.layer_idx;
    params.train_size = recipe_.train_size;
    params.val_size = recipe_.val_size;
    params.bits = block.bit_width;
    params.group_size = block.group_size;
    params.epochs = start.earlier.has_value() ? recipe_.relay_epochs : block.epochs;
    params.batch_size = recipe_.batch_size;
    params.gradient_accumulation_steps = recipe_.gradient_accumulation_steps;
    params.quant_lr = block.quant_lr;
    // A rate equal to the scales' is the same training: one key for both.
    if (block.zp_lr != block.quant_lr) params.zp_lr = block.zp_lr;
    params.weight_lr = block.weight_lr;
    params.min_lr_factor = recipe_.min_lr_factor;
    params.wd = recipe_.wd;
    params.early_stop = block.patience;
    params.early_stop_resets = recipe_.early_stop_resets;
    params.keep_best = recipe_.keep_best;
    params.fp16_scales = recipe_.fp16_scales;
    params.range_contains_zero = recipe_.range_contains_zero;
    params.lr_schedule = recipe_.lr_schedule;
    params.keep_latent = start.keep_latent;
    PlannedTask task;
    task.def.kind = TaskKind::kTrainBlock;
    task.def.params = params.ToJson();
    task.def.inputs = {{"model", spec_.model->files}, {"inputs", inputs}, {"targets", targets}};
    if (start.earlier.has_value()) {
      task.def.inputs["start"] = TaskOutputRef{*start.earlier, "block"};
      task.def.inputs["latent"] = TaskOutputRef{*start.earlier, "latent"};
    }
    task.title = absl::StrCat(start.earlier.has_value() ? "train on block " : "train block ", block.layer_idx);
    task.block = block.layer_idx;
    task.purpose = start.keep_latent ? TaskPurpose::kStep : TaskPurpose::kCheckpoint;
    return Add(std::move(task));
  }

  Digest AddTokenize(const TextSource& text, const TokenizeParams& params, std::string title) {
    PlannedTask task;
    task.def.kind = TaskKind::kTokenize;
    task.def.params = params.ToJson();
    task.def.inputs = {{"tokenizer", spec_.model->tokenizer}, {"text", text.files}};
    task.title = std::move(title);
    return Add(std::move(task));
  }

  void AddBlockAp() {
    embedded_ = AddEmbedding();
    std::vector<TaskInput> full_precision = {embedded_};
    for (const BlockPlan& block : plan_.blocks) {
      full_precision.push_back(
          TaskOutputRef{AddAdvance(block.layer_idx, full_precision.back(), std::nullopt), "activations"});
    }
    checkpoints_.resize(plan_.blocks.size());
    current_ = {embedded_};
    if (recipe_.handoff == "independent" || recipe_.handoff == "relay") TrainIndependently(full_precision);
    if (recipe_.handoff == "sequential" || recipe_.handoff == "relay") TrainInOrder(full_precision);
  }

  TaskInput AddEmbedding() {
    const Digest windows = AddTokenize(*spec_.calibration,
                                       {.mode = "windows",
                                        .seqlen = recipe_.training_seqlen,
                                        .train_size = recipe_.train_size,
                                        .val_size = recipe_.val_size,
                                        .seed = recipe_.seed,
                                        .disjoint = recipe_.disjoint_windows},
                                       "prepare calibration tokens");
    PlannedTask embed;
    embed.def.kind = TaskKind::kEmbed;
    embed.def.params = EmbedParams{.dtype = StoredDtype(recipe_)}.ToJson();
    embed.def.inputs = {{"model", spec_.model->files}, {"tokens", TaskOutputRef{windows, "tokens"}}};
    embed.title = "embed calibration tokens";
    return TaskOutputRef{Add(std::move(embed)), "activations"};
  }

  // Every block on the full-precision activations before it. The order is only a priority: depth decides.
  void TrainIndependently(const std::vector<TaskInput>& full_precision) {
    const bool first_of_two = recipe_.handoff == "relay";
    for (const int64_t layer : plan_.order) {
      const auto block = static_cast<size_t>(layer);
      TrainStart start;
      start.keep_latent = first_of_two;
      checkpoints_[block] = AddTrain(plan_.blocks[block], full_precision[block], full_precision[block + 1], start);
    }
  }

  // Each block on what the model as it then is gives it: blocks that have a checkpoint quantized, the others full
  // precision. In a relay every block has one already, and training goes on from it.
  void TrainInOrder(const std::vector<TaskInput>& full_precision) {
    for (const int64_t layer : plan_.order) {
      const auto block = static_cast<size_t>(layer);
      const TaskInput inputs = CurrentInputOf(block);
      TrainStart start;
      start.earlier = checkpoints_[block];
      checkpoints_[block] = AddTrain(plan_.blocks[block], inputs, full_precision[block + 1], start);
      current_.resize(std::min(current_.size(), block + 1));
    }
  }

  // The activations that block `block` reads in the model as it is now.
  const TaskInput& CurrentInputOf(size_t block) {
    while (current_.size() <= block) {
      const size_t before = current_.size() - 1;
      current_.push_back(TaskOutputRef{AddAdvance(static_cast<int64_t>(before), current_.back(), checkpoints_[before]),
                                       "activations"});
    }
    return current_[block];
  }

  void AddRtn() {
    for (const BlockPlan& block : plan_.blocks) {
      PlannedTask task;
      task.def.kind = TaskKind::kRtnBlock;
      task.def.params = RtnBlockParams{.block = block.layer_idx,
                                       .bits = block.bit_width,
                                       .group_size = block.group_size,
                                       .fp16_scales = recipe_.fp16_scales,
                                       .range_contains_zero = recipe_.range_contains_zero}
                            .ToJson();
      task.def.inputs = {{"model", spec_.model->files}};
      task.title = absl::StrCat("round block ", block.layer_idx, " to nearest");
      task.block = block.layer_idx;
      task.purpose = TaskPurpose::kCheckpoint;
      checkpoints_.emplace_back(Add(std::move(task)));
    }
  }

  void AddCheckpointInputs(TaskDef& def) const {
    for (size_t i = 0; i < checkpoints_.size(); ++i) {
      def.inputs[absl::StrCat("block.", plan_.blocks[i].layer_idx)] = TaskOutputRef{*checkpoints_[i], "block"};
    }
  }

  void AddEvaluation(const TextSource& text, const Digest& tokens, const std::string& label, bool full_precision) {
    PlannedTask task;
    task.def.kind = TaskKind::kEvaluatePpl;
    task.def.params = EvaluatePplParams{.micro_batch = recipe_.batch_size}.ToJson();
    task.def.inputs = {{"model", spec_.model->files}, {"tokens", TaskOutputRef{tokens, "tokens"}}};
    if (!full_precision) AddCheckpointInputs(task.def);
    task.title = absl::StrCat("evaluate ", label, " on ", text.name);
    task.purpose = TaskPurpose::kEvaluation;
    task.evaluated_model = label;
    task.evaluated_text = text.name;
    Add(std::move(task));
  }

  void AddEvaluations() {
    for (const TextSource& text : spec_.eval_texts) {
      const Digest tokens =
          AddTokenize(text, {.mode = "stream", .seqlen = recipe_.ppl_seqlen}, absl::StrCat("tokenize ", text.name));
      // A model without quantized blocks is measured once, under the name that is true of it.
      const bool quantized = !checkpoints_.empty();
      if (recipe_.eval_fp || !quantized) AddEvaluation(text, tokens, "fp", true);
      if (quantized) AddEvaluation(text, tokens, recipe_.method, false);
    }
  }

  void AddExport() {
    PlannedTask task;
    task.def.kind = TaskKind::kExport;
    task.def.params = ExportParams{.format = recipe_.export_format}.ToJson();
    task.def.inputs = {{"model", spec_.model->files}};
    if (!spec_.model->tokenizer.digest.is_zero()) task.def.inputs.emplace("tokenizer", spec_.model->tokenizer);
    AddCheckpointInputs(task.def);
    task.title = absl::StrCat("export ", recipe_.export_format);
    task.purpose = TaskPurpose::kExport;
    Add(std::move(task));
  }

  // Tasks are in topological order, so one pass from the end suffices.
  void ComputeDepths() {
    for (size_t i = tasks_.size(); i-- > 0;) {
      for (const auto& [role, input] : tasks_[i].def.inputs) {
        const auto* made = std::get_if<TaskOutputRef>(&input);
        if (made == nullptr) continue;
        int& depth = tasks_[index_.at(made->derivation_key)].depth;
        depth = std::max(depth, tasks_[i].depth + 1);
      }
    }
  }

  const RunSpec& spec_;
  const LlamaConfig* model_;
  const Recipe& recipe_;
  const Plan& plan_;
  const KindBases& bases_;
  std::vector<PlannedTask> tasks_;
  std::map<Digest, size_t> index_;
  TaskInput embedded_;
  std::vector<std::optional<Digest>> checkpoints_;  // the task that made each block as it is now, if any
  std::vector<TaskInput> current_;                  // the activations before block 0, 1, … of the model as it is now
};

}  // namespace

bool NeedsNumericsClass(const ResolvedSpec& resolved) {
  return MainKindOf(KindsOfRun(resolved.spec, resolved.recipe)).has_value();
}

std::vector<PlannedTask> BuildRunGraph(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                                       const Plan& plan, const KindBases& bases) {
  return GraphBuilder(spec, model, recipe, plan, bases).Build();
}

}  // namespace lwq::coordinator
