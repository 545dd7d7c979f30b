// SPDX-License-Identifier: Apache-2.0
#include "coordinator/graph/run_graph.h"

#include <algorithm>
#include <numeric>

#include "common/eval_tasks/eval_task_names.h"
#include "common/export_format/export_format.h"
#include "common/task/task_outputs.h"
#include "common/task/task_params.h"
#include "coordinator/graph/kl_tasks.h"
#include "coordinator/graph/prepare_tasks.h"
#include "coordinator/graph/quantizer_tasks.h"
#include "coordinator/graph/scale_training_tasks.h"
#include "coordinator/plan/recipe/eval_shards.h"
#include "coordinator/plan/recipe/run_kinds.h"
#include "coordinator/plan/recipe/scale_search.h"
#include "coordinator/plan/recipe/scale_training.h"

namespace lwq::coordinator {
namespace {

std::string StoredDtype(const Recipe& recipe) {
  return recipe.activation_dtype == Precision::kBf16 ? "BF16" : "F32";
}

class GraphBuilder {
 public:
  GraphBuilder(const RunSpec& spec, const LlamaConfig* model, const ResolvedRecipe& resolved, const Plan& plan,
               const KindBases& bases, const std::vector<Measurement>& measurements)
      : spec_(spec),
        model_(model),
        resolved_(resolved),
        recipe_(resolved.fields),
        plan_(plan),
        measurements_(measurements),
        tasks_(model, resolved.fields, bases) {}

  void Build() {
    if (recipe_.method == Method::kNoop) return AddNoops();
    Quantize();
    if (TrainsScales(recipe_) && !pending_.has_value()) TrainScales();
    if (recipe_.eval_ppl || recipe_.eval_kl) AddEvaluations();
    AddTaskEvaluations();
    if (recipe_.export_format != ExportFormat::kNone && !pending_.has_value()) AddExport();
  }
  std::vector<PlannedTask> TakeTasks() { return tasks_.Take(); }
  std::optional<PendingMeasurement> TakePending() { return std::move(pending_); }

 private:
  void AddNoops() {
    for (int64_t i = 0; i < recipe_.train_size; ++i) {
      PlannedTask task;
      task.def.kind = TaskKind::kNoop;
      task.def.params = Json{{"index", i}, {"seed", recipe_.seed}};
      task.title = absl::StrCat("no-op ", i);
      tasks_.Add(std::move(task));
    }
  }

  // Up to the first measurement that is not there yet.
  void Quantize() {
    if (TraitsOf(recipe_.method).reads_activations || resolved_.measures_sensitivity || Prepares(recipe_)) {
      StartChains();
    } else if (model_ != nullptr) {
      current_.emplace(model_->num_hidden_layers, TaskInput(), nullptr);  // nobody asks for its activations
    }
    if (resolved_.measures_first && !FirstMeasurement()) return;
    if (recipe_.method == Method::kRtn) AddRtn();
    if (QuantizesWithoutTraining(recipe_)) QuantizeWithoutTraining();
    if (recipe_.method == Method::kBlockAp) AddBlockAp();
  }

  bool FirstMeasurement() {
    std::vector<int64_t> blocks(static_cast<size_t>(model_->num_hidden_layers));
    std::iota(blocks.begin(), blocks.end(), 0);
    const bool scores_given = !spec_.sensitivity_scores.empty() && recipe_.method != Method::kSensitivity;
    return Measure({.metric = scores_given ? std::nullopt : std::optional(recipe_.sensitivity_metric),
                    .blocks = std::move(blocks),
                    .squared_error = resolved_.needs_squared_error});
  }

  // Adds the tasks of the next measurement. False: what they measure is not known yet, and the graph waits for it.
  bool Measure(const SensitivityRequest& request) {
    PendingMeasurement measuring = AddSensitivityTasks(
        request, {.spec = spec_,
                  .recipe = recipe_,
                  .tokens = tokens_,
                  .model = *current_,
                  .scales = scales_,
                  .tasks = tasks_,
                  .add_pilot = [this](int64_t block, const QuantChoice& choice) { return AddPilot(block, choice); }});
    // What comes before every training is measured at once, what comes between two for the second of them.
    const int64_t needed_from = request.trained_blocks == 0 ? 0 : request.trained_blocks + 1;
    for (const PendingMeasurement::Part& part : measuring.parts) tasks_.NeedFrom(part.task, needed_from);
    if (measurements_used_ == measurements_.size()) {
      pending_ = std::move(measuring);
      return false;
    }
    ++measurements_used_;
    return true;
  }

  TaskInput AddAdvance(int64_t block, const TaskInput& activations, const std::optional<TaskOutputRef>& checkpoint) {
    PlannedTask task;
    task.def.kind = TaskKind::kAdvance;
    task.def.params =
        AdvanceParams{.block = block, .micro_batch = recipe_.batch_size, .dtype = StoredDtype(recipe_)}.ToJson();
    task.def.inputs["model"] = spec_.model->files;
    task.def.inputs["activations"] = activations;
    if (checkpoint.has_value()) task.def.inputs["block"] = *checkpoint;
    task.title = absl::StrCat("advance ", checkpoint.has_value() ? "quantized" : "full-precision", " block ", block);
    task.block = block;
    return TaskOutputRef{tasks_.Add(std::move(task)), "activations"};
  }

  Digest AddTokenize(const TextSource& text, const TokenizeParams& params, std::string title) {
    PlannedTask task;
    task.def.kind = TaskKind::kTokenize;
    task.def.params = params.ToJson();
    task.def.inputs = {{"tokenizer", spec_.model->tokenizer}, {"text", text.files}};
    task.title = std::move(title);
    return tasks_.Add(std::move(task));
  }

  // Calibration windows, their embedding, and the chains that start there.
  void StartChains() {
    tokens_ = TaskOutputRef{AddTokenize(*spec_.calibration,
                                        {.mode = "windows",
                                         .seqlen = recipe_.training_seqlen,
                                         .train_size = recipe_.train_size,
                                         .val_size = recipe_.val_size,
                                         .seed = recipe_.seed,
                                         .disjoint = recipe_.disjoint_windows},
                                        "prepare calibration tokens"),
                            "tokens"};
    PlannedTask embed;
    embed.def.kind = TaskKind::kEmbed;
    embed.def.params = EmbedParams{.dtype = StoredDtype(recipe_)}.ToJson();
    embed.def.inputs = {{"model", spec_.model->files}, {"tokens", tokens_}};
    embed.title = "embed calibration tokens";
    const TaskInput embedded = TaskOutputRef{tasks_.Add(std::move(embed)), "activations"};
    const ModelState::Advance advance = [this](int64_t block, const TaskInput& activations,
                                               const std::optional<TaskOutputRef>& checkpoint) {
      return AddAdvance(block, activations, checkpoint);
    };
    full_precision_.emplace(model_->num_hidden_layers, embedded, advance);
    // The targets; scales and GPTQ alone need no output of the last block.
    const bool needs_outputs = TraitsOf(recipe_.method).reads_targets || resolved_.measures_sensitivity;
    if (needs_outputs) full_precision_->ActivationsBefore(model_->num_hidden_layers);
    current_.emplace(model_->num_hidden_layers, embedded, advance);
    if (Prepares(recipe_)) scales_ = AddScaleSearches(spec_, *model_, recipe_, *full_precision_, tasks_);
  }

  TrainBlockParams TrainParams() const {
    TrainBlockParams params;
    static_cast<TrainSettings&>(params) = TrainSettingsOf(recipe_);
    params.train_size = recipe_.train_size;
    params.val_size = recipe_.val_size;
    return params;
  }

  // The key of a training that middle_zero_points does not touch does not name it.
  static bool HasTwoBits(const TrainBlockParams& params) {
    return params.bits == 2 || std::any_of(params.rest.begin(), params.rest.end(),
                                           [](const QuantChoice& choice) { return choice.bits == 2; });
  }

  static void SetRates(double quant_lr, double zp_lr, double weight_lr, TrainBlockParams& params) {
    params.quant_lr = quant_lr;
    params.zp_lr = zp_lr == quant_lr ? std::nullopt : std::optional(zp_lr);
    params.weight_lr = weight_lr;
  }

  PlannedTask TrainTask(const TrainBlockParams& params, const TaskInput& inputs, int64_t last_block) {
    PlannedTask task;
    task.def.kind = TaskKind::kTrainBlock;
    task.def.params = params.ToJson();
    task.def.inputs = {{"model", spec_.model->files},
                       {"inputs", inputs},
                       {"targets", full_precision_->ActivationsBefore(last_block + 1)}};
    task.block = params.block;
    return task;
  }

  // Block i of a training's unit starts from `block` and the latent weights of the same task.
  static void StartFrom(const TaskOutputRef& block, std::string latent_role, int64_t i, TaskDef& def) {
    def.inputs[UnitRole("start", i)] = block;
    def.inputs[UnitRole("latent", i)] = TaskOutputRef{block.derivation_key, std::move(latent_role)};
  }

  // Each block of the unit by a method without training, on what the ones before it then give.
  void StartFromQuantized(const TrainingUnit& unit, TaskInput inputs, TaskDef& def) {
    for (int64_t i = 0; i < unit.block_count; ++i) {
      const int64_t block = unit.first_block + i;
      const TaskOutputRef start = AddQuantizedBlock(block, inputs, {.keep_latent = true});
      StartFrom(start, "latent", i, def);
      if (i + 1 < unit.block_count) inputs = AddAdvance(block, inputs, start);
    }
  }

  struct TrainStart {
    bool goes_on = false;      // from the checkpoints and latents the blocks have now
    bool keep_latent = false;  // another training will go on from this one
  };

  void Train(const TrainingUnit& unit, const TaskInput& inputs, const TrainStart& start) {
    const BlockPlan& first = plan_.blocks[static_cast<size_t>(unit.first_block)];
    const int64_t last_block = unit.first_block + unit.block_count - 1;
    TrainBlockParams params = TrainParams();
    params.block = unit.first_block;
    params.bits = first.bit_width;
    params.group_size = first.group_size;
    params.epochs = start.goes_on && !first.is_frozen() ? recipe_.relay_epochs : first.epochs;
    SetRates(first.quant_lr, first.zp_lr, first.weight_lr, params);
    params.early_stop = first.patience;
    params.keep_latent = start.keep_latent;
    for (int64_t layer = unit.first_block + 1; layer <= last_block; ++layer) {
      const BlockPlan& block = plan_.blocks[static_cast<size_t>(layer)];
      params.rest.push_back({block.bit_width, block.group_size});
    }
    params.middle_zero_points = recipe_.middle_zero_points && HasTwoBits(params);
    PlannedTask task = TrainTask(params, inputs, last_block);
    if (start.goes_on) {
      for (int64_t i = 0; i < unit.block_count; ++i) {
        const TaskOutputRef& earlier = *current_->checkpoint(unit.first_block + i);
        StartFrom(earlier, UnitRole("latent", i), i, task.def);
      }
    } else if (recipe_.init != Initialization::kMinMax) {
      StartFromQuantized(unit, inputs, task.def);
    } else {
      for (int64_t i = 0; i < unit.block_count; ++i) AddScalesInput(scales_, unit.first_block + i, task.def);
    }
    task.title = absl::StrCat(start.goes_on ? "train on " : "train ",
                              unit.block_count == 1 ? absl::StrCat("block ", unit.first_block)
                                                    : absl::StrCat("blocks ", unit.first_block, "-", last_block));
    task.purpose = start.keep_latent ? TaskPurpose::kStep : TaskPurpose::kCheckpoint;
    const Digest key = tasks_.Add(std::move(task), unit.block_count);
    for (int64_t i = 0; i < unit.block_count; ++i)
      trained_.push_back({unit.first_block + i, {key, UnitRole("block", i)}});
    if (start.keep_latent) return;
    tasks_.NeedFrom(key, std::ssize(quantized_) + 1);
    for (const auto& [block, checkpoint] : trained_) quantized_.emplace(block, checkpoint);
    EvaluateAtRungs();
  }

  // Evaluates the model as it is after the trainings so far, for every rung that they have reached.
  void EvaluateAtRungs() {
    const auto trained = std::ssize(quantized_);
    for (; rungs_evaluated_ < spec_.rung_evaluations.size(); ++rungs_evaluated_) {
      const int64_t rung = spec_.rung_evaluations[rungs_evaluated_];
      if (rung > trained) return;
      const TextSource& text = spec_.eval_texts.front();
      const std::string label = absl::StrCat(trained, " quantized ", trained == 1 ? "block" : "blocks");
      const Digest key = AddEvaluation(text, TokenizeText(text), label, TaskPurpose::kRungEvaluation, quantized_);
      tasks_.NeedFrom(key, rung);
    }
  }

  // What was trained since the last call is what the model is from now on.
  void UseTrained() {
    for (const auto& [block, checkpoint] : trained_) current_->Quantize(block, checkpoint);
    trained_.clear();
  }

  TaskOutputRef AddPilot(int64_t block, const QuantChoice& choice) {
    TrainBlockParams params = TrainParams();
    params.block = block;
    params.train_size = recipe_.pilot_samples;
    params.bits = choice.bits;
    params.group_size = choice.group_size;
    params.epochs = recipe_.pilot_epochs;
    params.middle_zero_points = recipe_.middle_zero_points && HasTwoBits(params);
    PlannedTask task = TrainTask(params, full_precision_->ActivationsBefore(block), block);
    AddScalesInput(scales_, block, task.def);
    task.title = absl::StrCat("pilot block ", block, " at ", choice.bits, " bits, groups of ", choice.group_size);
    return {tasks_.Add(std::move(task)), "block"};
  }

  void AddBlockAp() {
    if (recipe_.handoff != Handoff::kSequential) TrainIndependently();
    if (recipe_.handoff != Handoff::kIndependent) TrainInOrder();
  }

  // Every unit on the full-precision activations before it. The order is only a priority: position decides among
  // equals.
  void TrainIndependently() {
    for (const int64_t index : plan_.order) {
      const TrainingUnit& unit = plan_.units[static_cast<size_t>(index)];
      Train(unit, full_precision_->ActivationsBefore(unit.first_block),
            {.keep_latent = recipe_.handoff == Handoff::kRelay});
    }
    UseTrained();
  }

  // Each unit on what the model as it then is gives it: blocks that have a checkpoint quantized, the others full
  // precision. In a relay every block has one already, and training goes on from it.
  void TrainInOrder() {
    std::vector<int64_t> untrained(plan_.blocks.size());
    std::iota(untrained.begin(), untrained.end(), 0);
    int64_t since_measured = 0;
    for (const int64_t index : plan_.order) {
      if (recipe_.reorder_every > 0 && since_measured >= recipe_.reorder_every) {
        since_measured = 0;
        if (!Measure({.metric = recipe_.sensitivity_metric,
                      .blocks = untrained,
                      .trained_blocks = std::ssize(plan_.blocks) - std::ssize(untrained)})) {
          return;
        }
      }
      const TrainingUnit& unit = plan_.units[static_cast<size_t>(index)];
      Train(unit, current_->ActivationsBefore(unit.first_block), {.goes_on = recipe_.handoff == Handoff::kRelay});
      UseTrained();
      std::erase_if(untrained, [&unit](int64_t block) {
        return block >= unit.first_block && block < unit.first_block + unit.block_count;
      });
      since_measured += unit.block_count;
    }
  }

  void AddRtn() {
    for (const BlockPlan& block : plan_.blocks) {
      PlannedTask task;
      task.def.kind = TaskKind::kRtnBlock;
      task.def.params = RtnBlockParams{.block = block.layer_idx,
                                       .bits = block.bit_width,
                                       .group_size = block.group_size,
                                       .fp16_scales = recipe_.fp16_scales,
                                       .range_contains_zero = recipe_.range_contains_zero,
                                       .middle_zero_points = recipe_.middle_zero_points && block.bit_width == 2,
                                       .sym = recipe_.sym}
                            .ToJson();
      task.def.inputs = {{"model", spec_.model->files}};
      AddScalesInput(scales_, block.layer_idx, task.def);
      task.title = absl::StrCat("round block ", block.layer_idx, " to nearest");
      task.block = block.layer_idx;
      task.purpose = TaskPurpose::kCheckpoint;
      UseQuantized(block.layer_idx, {tasks_.Add(std::move(task)), "block"});
    }
  }

  // The block is as it will be in the end.
  void UseQuantized(int64_t block, const TaskOutputRef& checkpoint) {
    current_->Quantize(block, checkpoint);
    tasks_.NeedFrom(checkpoint.derivation_key, std::ssize(quantized_) + 1);
    quantized_.emplace(block, checkpoint);
    EvaluateAtRungs();
  }

  TaskOutputRef AddQuantizedBlock(int64_t block, const TaskInput& inputs, const QuantizerUse& use) {
    PlannedTask task = QuantizeBlockTask(recipe_, plan_.blocks[static_cast<size_t>(block)], use);
    task.def.inputs["model"] = spec_.model->files;
    if (task.def.kind == TaskKind::kFitRounding) {
      task.def.inputs["inputs"] = inputs;
      task.def.inputs["targets"] = full_precision_->ActivationsBefore(block + 1);
    } else {
      task.def.inputs["activations"] = inputs;
    }
    AddScalesInput(scales_, block, task.def);
    return {tasks_.Add(std::move(task)), "block"};
  }

  // In the plan's order, each block on what the model as it then is gives it; with handoff independent on the
  // full-precision activations.
  void QuantizeWithoutTraining() {
    ModelState& model = recipe_.handoff == Handoff::kSequential ? *current_ : *full_precision_;
    for (const int64_t index : plan_.order) {
      const TrainingUnit& unit = plan_.units[static_cast<size_t>(index)];
      for (int64_t block = unit.first_block; block < unit.first_block + unit.block_count; ++block) {
        UseQuantized(block, AddQuantizedBlock(block, model.ActivationsBefore(block), {}));
      }
    }
  }

  // E2E-QP: from here on the run's blocks are those that it gives.
  void TrainScales() {
    const TaskInput tokens = TaskOutputRef{
        AddTokenize(*spec_.calibration, ScaleTrainingWindows(recipe_), "prepare tokens of e2e_qp"), "tokens"};
    trained_end_to_end_ = AddScaleTraining(spec_, recipe_, tokens, AllCheckpoints(), tasks_);
  }

  // Those that are not there are at full precision.
  using Checkpoints = BlockCheckpoints;

  static void AddCheckpointInputs(const Checkpoints& blocks, TaskDef& def) {
    for (const auto& [block, checkpoint] : blocks) def.inputs[absl::StrCat("block.", block)] = checkpoint;
  }

  // Of every block, as it came out.
  Checkpoints AllCheckpoints() const {
    if (!trained_end_to_end_.empty()) return trained_end_to_end_;
    Checkpoints blocks;
    for (const BlockPlan& block : plan_.blocks) blocks.emplace(block.layer_idx, *current_->checkpoint(block.layer_idx));
    return blocks;
  }

  // Of shards whose tasks make "losses".
  Digest AddPerplexity(const TextSource& text, const std::string& label, TaskPurpose purpose,
                       const ShardTasks& shards) {
    PlannedTask reduce;
    reduce.def.kind = TaskKind::kReducePpl;
    reduce.title = absl::StrCat("perplexity of ", label, " on ", text.name);
    reduce.purpose = purpose;
    reduce.evaluated_model = label;
    reduce.evaluated_text = text.name;
    reduce.def.params = ReducePplParams{.shards = std::ssize(shards)}.ToJson();
    for (size_t shard = 0; shard < shards.size(); ++shard) {
      reduce.def.inputs[absl::StrCat("losses.", shard)] = TaskOutputRef{shards[shard], "losses"};
    }
    return tasks_.Add(std::move(reduce));
  }

  Digest AddEvaluation(const TextSource& text, const Digest& tokens, const std::string& label, TaskPurpose purpose,
                       const Checkpoints& blocks) {
    const int64_t shards = EvalShards(recipe_, text.files.size_bytes);
    ShardTasks evaluated;
    for (int64_t shard = 0; shard < shards; ++shard) {
      PlannedTask task;
      task.def.kind = TaskKind::kEvaluatePpl;
      task.def.params = EvaluatePplParams{.micro_batch = recipe_.batch_size, .shard = shard, .shards = shards}.ToJson();
      task.def.inputs = {{"model", spec_.model->files}, {"tokens", TaskOutputRef{tokens, "tokens"}}};
      AddCheckpointInputs(blocks, task.def);
      task.title = absl::StrCat("evaluate ", label, " on ", text.name, ShardTitle(shard, shards));
      task.evaluated_text = text.name;
      evaluated.push_back(tasks_.Add(std::move(task)));
    }
    return AddPerplexity(text, label, purpose, evaluated);
  }

  Digest TokenizeText(const TextSource& text) {
    return AddTokenize(text, {.mode = "stream", .seqlen = recipe_.ppl_seqlen}, absl::StrCat("tokenize ", text.name));
  }

  void AddEvaluations() {
    if (!TraitsOf(recipe_.method).evaluates) return;
    for (const TextSource& text : spec_.eval_texts) {
      const Digest tokens = TokenizeText(text);
      if (recipe_.eval_kl) {
        AddComparedEvaluation(text, tokens);
        continue;
      }
      // A model without quantized blocks is measured once, under the name that is true of it.
      const bool quantizes = TraitsOf(recipe_.method).quantizes;
      if (recipe_.eval_fp || !quantizes) AddEvaluation(text, tokens, "fp", TaskPurpose::kEvaluation, {});
      if (quantizes && !pending_.has_value()) {
        AddEvaluation(text, tokens, std::string(WordOf(recipe_.method)), TaskPurpose::kEvaluation, AllCheckpoints());
      }
    }
  }

  // The passes that compare both models give their perplexities, too.
  void AddComparedEvaluation(const TextSource& text, const Digest& tokens) {
    const EvaluatedText evaluated{spec_, recipe_, text, tokens};
    const ShardTasks reference = AddReference(evaluated, tasks_);
    if (recipe_.eval_ppl && recipe_.eval_fp) AddPerplexity(text, "fp", TaskPurpose::kEvaluation, reference);
    if (pending_.has_value()) return;
    const std::string label(WordOf(recipe_.method));
    const ShardTasks compared = AddComparison(evaluated, reference, label, AllCheckpoints(), tasks_);
    if (recipe_.eval_ppl) AddPerplexity(text, label, TaskPurpose::kEvaluation, compared);
  }

  Digest AddRequests(const TextSource& source) {
    PlannedTask task;
    task.def.kind = TaskKind::kPrepareRequests;
    task.def.params = PrepareRequestsParams{.task = source.name,
                                            .add_bos = recipe_.add_bos,
                                            .limit = recipe_.eval_limit,
                                            .window = IsDocumentTask(source.name) ? recipe_.ppl_seqlen : 0}
                          .ToJson();
    task.def.inputs = {{"tokenizer", spec_.model->tokenizer}, {"items", source.files}};
    task.title = absl::StrCat("prepare ", source.name);
    task.evaluated_text = source.name;
    return tasks_.Add(std::move(task));
  }

  void AddTaskEvaluation(const TextSource& source, const TaskOutputRef& requests, const std::string& label,
                         const Checkpoints& blocks) {
    PlannedTask reduce;
    reduce.def.kind = TaskKind::kReduceAccuracy;
    const std::string_view measured = IsDocumentTask(source.name) ? "word perplexity" : "accuracy";
    reduce.title = absl::StrCat(measured, " of ", label, " on ", source.name);
    reduce.purpose = TaskPurpose::kEvaluation;
    reduce.evaluated_model = label;
    reduce.evaluated_text = source.name;
    const int64_t shards = EvalTaskShards(recipe_, source.files.size_bytes);
    reduce.def.params = ReduceAccuracyParams{.shards = shards}.ToJson();
    reduce.def.inputs["requests"] = requests;
    for (int64_t shard = 0; shard < shards; ++shard) {
      PlannedTask task;
      task.def.kind = TaskKind::kScoreRequests;
      task.def.params =
          ScoreRequestsParams{.batch_tokens = recipe_.batch_size * recipe_.ppl_seqlen, .shard = shard, .shards = shards}
              .ToJson();
      task.def.inputs = {{"model", spec_.model->files}, {"requests", requests}};
      AddCheckpointInputs(blocks, task.def);
      task.title = absl::StrCat("ask ", label, " ", source.name, ShardTitle(shard, shards));
      task.evaluated_text = source.name;
      reduce.def.inputs[absl::StrCat("scores.", shard)] = TaskOutputRef{tasks_.Add(std::move(task)), "scores"};
    }
    tasks_.Add(std::move(reduce));
  }

  void AddTaskEvaluations() {
    const MethodTraits& method = TraitsOf(recipe_.method);
    if (!method.evaluates) return;
    for (const TextSource& source : spec_.eval_tasks) {
      const TaskOutputRef requests{AddRequests(source), "requests"};
      if (recipe_.eval_fp || !method.quantizes) AddTaskEvaluation(source, requests, "fp", {});
      if (method.quantizes && !pending_.has_value()) {
        AddTaskEvaluation(source, requests, std::string(WordOf(recipe_.method)), AllCheckpoints());
      }
    }
  }

  void AddExport() {
    PlannedTask task;
    task.def.kind = TaskKind::kExport;
    // What a format makes nothing of is not in the key.
    const bool for_llama_cpp = TraitsOf(recipe_.export_format).for_llama_cpp;
    const bool names_zero_points = recipe_.export_format != ExportFormat::kFakeQuant;
    task.def.params = ExportParams{.format = recipe_.export_format,
                                   .middle_zero_points = recipe_.middle_zero_points && for_llama_cpp,
                                   .sym = recipe_.sym && names_zero_points}
                          .ToJson();
    task.def.inputs = {{"model", spec_.model->files}};
    if (!spec_.model->tokenizer.digest.is_zero()) task.def.inputs.emplace("tokenizer", spec_.model->tokenizer);
    if (!spec_.model->companions.digest.is_zero()) task.def.inputs.emplace("companions", spec_.model->companions);
    AddCheckpointInputs(AllCheckpoints(), task.def);
    task.title = absl::StrCat("export ", WordOf(recipe_.export_format));
    task.purpose = TaskPurpose::kExport;
    tasks_.Add(std::move(task));
  }

  const RunSpec& spec_;
  const LlamaConfig* model_;
  const ResolvedRecipe& resolved_;
  const Recipe& recipe_;
  const Plan& plan_;
  const std::vector<Measurement>& measurements_;
  size_t measurements_used_ = 0;
  TaskList tasks_;
  TaskInput tokens_;  // calibration windows
  std::optional<ModelState> full_precision_;
  std::optional<ModelState> current_;
  ScalesByBlock scales_;
  std::vector<std::pair<int64_t, TaskOutputRef>> trained_;
  BlockCheckpoints quantized_;           // those that are as they will be once all are
  BlockCheckpoints trained_end_to_end_;  // of all blocks; empty where e2e_qp is off
  size_t rungs_evaluated_ = 0;
  std::optional<PendingMeasurement> pending_;
};

}  // namespace

bool NeedsNumericsClass(const ResolvedSpec& resolved) {
  return MainKindOf(KindsOfRun(resolved.spec, resolved.recipe)).has_value();
}

bool Grows(const RunSpec& spec, const Recipe& recipe) {
  const ResolvedRecipe resolved = WithPolicies(spec, recipe);
  return resolved.measures_sensitivity || resolved.measures_first;
}

StatusOr<RunGraph> BuildRunGraph(const RunSpec& spec, const LlamaConfig* model, const Recipe& recipe,
                                 const KindBases& bases, const std::vector<Measurement>& measurements) {
  const ResolvedRecipe resolved = WithPolicies(spec, recipe);
  RunGraph graph;
  LWQ_ASSIGN_OR_RETURN(graph.plan, PlanOfRun(spec, model, resolved, measurements));
  GraphBuilder builder(spec, model, resolved, graph.plan, bases, measurements);
  builder.Build();
  graph.tasks = builder.TakeTasks();
  graph.pending = builder.TakePending();
  return graph;
}

}  // namespace lwq::coordinator
