#include "coordinator/plan/recipe_check.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/group_size.h"
#include "coordinator/plan/policy_recipe.h"
#include "coordinator/plan/sensitivity_choices.h"
#include "coordinator/plan/storage.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kMaxNoops = 100'000;
constexpr int kBits[] = {2, 3, 4, 5, 6, 8};
constexpr int64_t kMaxBatchBytes = int64_t{1} << 50;
// Tasks that one measurement of sensitivity makes.
constexpr double kMaxMeasuringTasks = 100'000;
// Activations of a calibration set: no store holds more, and the product stays far from int64's end.
constexpr int64_t kMaxCalibrationBytes = int64_t{1} << 50;

// Collects problems; each is a clause that names the field.
class Problems {
 public:
  void Add(std::string problem) { problems_.push_back(std::move(problem)); }

  void Integer(std::string_view field, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return;
    Add(absl::StrCat(field, " is ", value, ", must be between ", low, " and ", high));
  }
  void Number(std::string_view field, double value, double low, double high) {
    if (std::isfinite(value) && value >= low && value <= high) return;
    Add(absl::StrCat(field, " is ", value, ", must be a number between ", low, " and ", high));
  }
  void OneOf(std::string_view field, const std::string& value, std::initializer_list<const char*> allowed) {
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    Add(absl::StrCat(field, " '", absl::CHexEscape(value.substr(0, 40)), "' is unknown, must be one of ",
                     absl::StrJoin(allowed, ", ")));
  }

  bool empty() const { return problems_.empty(); }
  std::string Join() const { return absl::StrJoin(problems_, "; "); }

 private:
  std::vector<std::string> problems_;
};

// Also of fields that nothing reads in this recipe: it is stored whole, and JSON has no infinity.
void CheckFinite(const Recipe& recipe, Problems& problems) {
  ForEachRecipeField(
      [&](std::string_view name, const auto& field) {
        if constexpr (std::is_same_v<std::decay_t<decltype(field)>, double>) {
          if (!std::isfinite(field)) problems.Add(absl::StrCat(name, " is ", field, ", must be a finite number"));
        }
      },
      recipe);
}

void CheckFields(const Recipe& recipe, Problems& problems) {
  problems.OneOf("preset", recipe.preset, {"default", "efficientqat", "strong"});
  problems.OneOf("method", recipe.method, {"block_ap", "rtn", "sensitivity", "none", "noop"});
  if (std::find(std::begin(kBits), std::end(kBits), recipe.wbits) == std::end(kBits)) {
    problems.Add(absl::StrCat("wbits is ", recipe.wbits, ", must be one of ", absl::StrJoin(kBits, ", ")));
  }
  problems.Integer("train_size", recipe.train_size, 1, 1'000'000);
  problems.Integer("val_size", recipe.val_size, 0, 1'000'000);
  problems.Integer("seed", recipe.seed, 0, int64_t{0xffffffff});
  problems.Number("epochs", recipe.epochs, 0, 1000);
  problems.Integer("batch_size", recipe.batch_size, 1, 4096);
  problems.Integer("gradient_accumulation_steps", recipe.gradient_accumulation_steps, 1, 4096);
  problems.Number("quant_lr", recipe.quant_lr, 0, 10);
  problems.Number("zp_lr", recipe.zp_lr, 0, 10);
  problems.Number("weight_lr", recipe.weight_lr, 0, 10);
  problems.Number("min_lr_factor", recipe.min_lr_factor, 1, 1e9);
  problems.Number("wd", recipe.wd, 0, 1);
  problems.Number("early_stop", recipe.early_stop, 0, 1e6);
  problems.OneOf("lr_schedule", recipe.lr_schedule, {"cosine", "chained_cosine"});
  problems.Integer("divergence_retries", recipe.divergence_retries, 0, 16);
  problems.OneOf("sensitivity_metric", recipe.sensitivity_metric,
                 {"fisher", "gradient", "hessian", "loss_delta", "output_fisher", "pilot"});
  problems.Integer("sensitivity_samples", recipe.sensitivity_samples, 1, recipe.train_size);
  problems.Integer("sensitivity_shard_samples", recipe.sensitivity_shard_samples, 1, 1'000'000);
  problems.Integer("hessian_probes", recipe.hessian_probes, 1, 10'000);
  problems.OneOf("hessian_scope", recipe.hessian_scope, {"block", "model"});
  problems.Number("pilot_epochs", recipe.pilot_epochs, 0, 1000);
  problems.Integer("pilot_samples", recipe.pilot_samples, 1, recipe.train_size);
  problems.Number("target_size_mb", recipe.target_size_mb, 0, 1e9);
  problems.OneOf("handoff", recipe.handoff, {"sequential", "independent", "relay"});
  problems.Number("relay_epochs", recipe.relay_epochs, 0, 1000);
  problems.OneOf("layer_ordering", recipe.layer_ordering, {"original", "sensitivity", "random"});
  problems.OneOf("adaptive_lr_normalization", recipe.adaptive_lr_normalization, {"mean", "max", "minmax"});
  problems.OneOf("mpq_strategy", recipe.mpq_strategy, {"adaptive", "conservative", "aggressive", "optimal"});
  problems.OneOf("mpq_group_size", recipe.mpq_group_size, {"fixed", "by_score"});
  problems.OneOf("ablation", recipe.ablation, {"none", "baseline", "mpq_only", "sgra_only", "qbo_only", "all"});
  problems.OneOf("policy_semantics", recipe.policy_semantics, {"default", "author"});
  problems.Integer("eval_shard_windows", recipe.eval_shard_windows, 1, int64_t{1} << 40);
  problems.OneOf("precision", recipe.precision, {"auto", "bf16", "fp32"});
  problems.Integer("threads", recipe.threads, 1, 1024);
  problems.OneOf("activation_dtype", recipe.activation_dtype, {"auto", "bf16", "fp32"});
  problems.OneOf("export_format", recipe.export_format, {"gptq_v2", "fake_quant", "none"});
}

void CheckCombinations(const Recipe& recipe, Problems& problems) {
  if (recipe.batch_size >= 1 && recipe.gradient_accumulation_steps >= 1 &&
      recipe.batch_size % recipe.gradient_accumulation_steps != 0) {
    problems.Add(absl::StrCat("gradient_accumulation_steps ", recipe.gradient_accumulation_steps,
                              " does not divide batch_size ", recipe.batch_size));
  }
  if (recipe.early_stop > 0 && recipe.val_size == 0) {
    problems.Add("early_stop needs validation windows: set val_size above 0 or early_stop to 0");
  }
  if (recipe.method == "noop" && recipe.train_size > kMaxNoops) {
    problems.Add(
        absl::StrCat("train_size is ", recipe.train_size, ", method noop makes at most ", kMaxNoops, " tasks"));
  }
  if (recipe.handoff != "sequential" && recipe.reorder_every > 0) {
    problems.Add(
        absl::StrCat("reorder_every measures the model as its blocks are quantized one after the other, which "
                     "handoff ",
                     recipe.handoff, " does not do: use sequential, or set reorder_every to 0"));
  }
  const bool quantizes = recipe.method == "block_ap" || recipe.method == "rtn";
  if (!quantizes && recipe.export_format != "none") {
    problems.Add(absl::StrCat("export_format ", recipe.export_format, " needs quantized blocks, but method '",
                              recipe.method, "' makes none: use export_format none"));
  }
}

void CheckGroups(std::string_view field, int64_t group_size, const LlamaConfig& model, Problems& problems) {
  std::string problem = GroupSizeProblem(field, group_size, model);
  if (!problem.empty()) problems.Add(std::move(problem));
}

// A task for every block and shard, and for every probe or pilot of those.
void CheckMeasuringTasks(const Recipe& recipe, const LlamaConfig& model, double choices, Problems& problems) {
  const double shards = std::ceil(static_cast<double>(recipe.sensitivity_samples) /
                                  static_cast<double>(recipe.sensitivity_shard_samples));
  const double probes = recipe.sensitivity_metric == "hessian" ? static_cast<double>(recipe.hessian_probes) : 1;
  const double pilots = recipe.sensitivity_metric == "pilot" ? choices : 1;
  const double tasks = static_cast<double>(model.num_hidden_layers) * shards * probes * pilots;
  if (tasks <= kMaxMeasuringTasks) return;
  problems.Add(absl::StrCat(
      "sensitivity_samples ", recipe.sensitivity_samples, " in shards of ", recipe.sensitivity_shard_samples,
      recipe.sensitivity_metric == "hessian" ? absl::StrCat(" with hessian_probes ", recipe.hessian_probes) : "",
      " make ", static_cast<int64_t>(tasks), " tasks: at most ", static_cast<int64_t>(kMaxMeasuringTasks),
      "; choose larger shards"));
}

void CheckSensitivity(const Recipe& recipe, const LlamaConfig* model, Problems& problems) {
  const StatusOr<std::vector<QuantChoice>> choices = SensitivityChoices(recipe);
  if (!choices.ok()) return problems.Add(std::string(MessageOf(choices.status())));
  const StatusOr<PolicyOptions> policies = ResolvePolicies(PoliciesOf(recipe));
  const bool optimal = policies.ok() && policies->use_mixed_precision && policies->mpq_strategy == "optimal";
  if (model != nullptr) CheckMeasuringTasks(recipe, *model, static_cast<double>(choices->size()), problems);
  if (model == nullptr || !CutsIntoGroups(recipe)) return;
  if (!IsTableMetric(recipe.sensitivity_metric) && !optimal) return;
  std::set<int64_t> groups;
  for (const QuantChoice& choice : *choices) groups.insert(choice.group_size);
  groups.erase(recipe.group_size);
  for (const int64_t group_size : groups) CheckGroups("sensitivity_group_sizes", group_size, *model, problems);
}

// Activations, attention scores and logits of one batch: far beyond any device, and their sums far from int64's end.
void CheckWindow(std::string_view field, int64_t seqlen, const Recipe& recipe, const LlamaConfig& model,
                 Problems& problems) {
  const double per_token = 64.0 * static_cast<double>(model.hidden_size) +
                           64.0 * static_cast<double>(model.intermediate_size) +
                           16.0 * static_cast<double>(model.num_attention_heads) * static_cast<double>(model.head_dim) +
                           4.0 * static_cast<double>(model.num_attention_heads) * static_cast<double>(seqlen) +
                           8.0 * static_cast<double>(model.vocab_size);
  const double bytes = 4.0 * static_cast<double>(recipe.batch_size) * static_cast<double>(seqlen) * per_token;
  if (bytes <= static_cast<double>(kMaxBatchBytes)) return;
  problems.Add(absl::StrCat(field, " ", seqlen, " at batch_size ", recipe.batch_size, " needs about ",
                            static_cast<int64_t>(bytes / 1e12), " TB of memory: choose shorter windows"));
}

void CheckAgainstModel(const Recipe& recipe, const LlamaConfig& model, Problems& problems) {
  problems.Integer("training_seqlen", recipe.training_seqlen, 1, model.max_position_embeddings);
  problems.Integer("ppl_seqlen", recipe.ppl_seqlen, 2, model.max_position_embeddings);
  if (recipe.group_size != -1 && recipe.group_size < 1) {
    problems.Add(absl::StrCat("group_size is ", recipe.group_size, ", must be -1 (a whole row) or at least 1"));
  } else if (CutsIntoGroups(recipe)) {
    CheckGroups("group_size", recipe.group_size, model, problems);
  }
  CheckWindow("training_seqlen", recipe.training_seqlen, recipe, model, problems);
  CheckWindow("ppl_seqlen", recipe.ppl_seqlen, recipe, model, problems);
  const double calibration_bytes = 4.0 *
                                   (static_cast<double>(recipe.train_size) + static_cast<double>(recipe.val_size)) *
                                   static_cast<double>(recipe.training_seqlen) * static_cast<double>(model.hidden_size);
  if (calibration_bytes > static_cast<double>(kMaxCalibrationBytes)) {
    problems.Add(absl::StrCat("train_size ", recipe.train_size, " + val_size ", recipe.val_size, " at training_seqlen ",
                              recipe.training_seqlen, " need ", static_cast<int64_t>(calibration_bytes / 1e12),
                              " TB of activations per block: choose fewer or shorter windows"));
  }
}

}  // namespace

Status CheckRecipe(const Recipe& recipe, const LlamaConfig* model) {
  Problems problems;
  CheckFinite(recipe, problems);
  if (problems.empty()) CheckFields(recipe, problems);
  CheckCombinations(recipe, problems);
  if (model != nullptr) CheckAgainstModel(recipe, *model, problems);
  if (problems.empty()) CheckSensitivity(recipe, model, problems);
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrCat("recipe: ", problems.Join()));
  LWQ_RETURN_IF_ERROR(Annotate(ResolvePolicies(PoliciesOf(recipe)).status(), "recipe"));
  if (!FormatHolds(recipe.export_format, recipe.wbits)) {
    return absl::FailedPreconditionError(absl::StrCat("recipe: export_format ", recipe.export_format,
                                                      " cannot hold wbits ", recipe.wbits, ": use ",
                                                      FormatsThatHold(recipe.wbits), ", or 2, 3, 4 or 8 bits"));
  }
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
