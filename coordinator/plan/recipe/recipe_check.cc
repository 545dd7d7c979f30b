// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/recipe_check.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/export_format/export_format.h"
#include "common/model/llama_cpp_model.h"
#include "coordinator/plan/recipe/block_bits.h"
#include "coordinator/plan/recipe/group_size.h"
#include "coordinator/plan/recipe/policies.h"
#include "coordinator/plan/recipe/run_kinds.h"
#include "coordinator/plan/recipe/scale_search.h"
#include "coordinator/plan/recipe/scale_training.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"
#include "coordinator/plan/recipe/serve.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kMaxNoops = 100'000;
constexpr int64_t kMaxBatchBytes = int64_t{1} << 50;
// Tasks that one measurement of sensitivity makes.
constexpr double kMaxMeasuringTasks = 100'000;
// Tasks that E2E-QP makes, one after the other.
constexpr int64_t kMaxSegments = 10'000;
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
  // Of a word as it was given: the recipe holds another value where it is none.
  template <RecipeChoice E>
  void Word(std::string_view field, const std::optional<GivenWord<E>>& given) {
    if (!given.has_value() || given->choice().has_value()) return;
    Add(absl::StrCat(field, " ", UnknownWordMessage(given->text(), kWords<E>)));
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

// What a row of the table allows. Of those that other fields or the model decide: below.
template <typename T>
void CheckAllowed(const recipe::Range<int64_t>& range, std::string_view name, const T& value, Problems& problems) {
  static_assert(std::is_integral_v<T>, "give a number's range as numbers");
  problems.Integer(name, value, range.low, range.high);
}
void CheckAllowed(const recipe::Range<double>& range, std::string_view name, double value, Problems& problems) {
  problems.Number(name, value, range.low, range.high);
}
void CheckAllowed(const recipe::WeightBits&, std::string_view name, int value, Problems& problems) {
  const auto& widths = recipe::kWeightBits;
  if (std::find(std::begin(widths), std::end(widths), value) != std::end(widths)) return;
  problems.Add(absl::StrCat(name, " is ", value, ", must be one of ", absl::StrJoin(widths, ", ")));
}

void CheckFields(const Recipe& recipe, const PartialRecipe& given, Problems& problems) {
  ForEachRecipeRow(
      [&](const auto& row, const auto& value, const auto& written) {
        using RowType = std::decay_t<decltype(row)>;
        if constexpr (RecipeChoice<typename RowType::Type>) {
          problems.Word(row.name, written);
        } else if constexpr (std::is_same_v<typename RowType::Allowed, recipe::TrainWindows>) {
          problems.Integer(row.name, value, 1, recipe.train_size);
        } else if constexpr (requires { CheckAllowed(row.allowed, row.name, value, problems); }) {
          CheckAllowed(row.allowed, row.name, value, problems);
        }
      },
      recipe, given);
}

void CheckRecipeCombinations(const Recipe& recipe, Problems& problems) {
  if (recipe.batch_size >= 1 && recipe.gradient_accumulation_steps >= 1 &&
      recipe.batch_size % recipe.gradient_accumulation_steps != 0) {
    problems.Add(absl::StrCat("gradient_accumulation_steps ", recipe.gradient_accumulation_steps,
                              " does not divide batch_size ", recipe.batch_size));
  }
  if (recipe.early_stop > 0 && recipe.val_size == 0) {
    problems.Add("early_stop needs validation windows: set val_size above 0 or early_stop to 0");
  }
  if (recipe.method == Method::kNoop && recipe.train_size > kMaxNoops) {
    problems.Add(
        absl::StrCat("train_size is ", recipe.train_size, ", method noop makes at most ", kMaxNoops, " tasks"));
  }
  if (recipe.handoff != Handoff::kSequential && recipe.reorder_every > 0) {
    problems.Add(
        absl::StrCat("reorder_every measures the model as its blocks are quantized one after the other, which "
                     "handoff ",
                     WordOf(recipe.handoff), " does not do: use sequential, or set reorder_every to 0"));
  }
  if (QuantizesWithoutTraining(recipe) && recipe.handoff == Handoff::kRelay) {
    problems.Add(absl::StrCat("handoff relay goes on with a training, and method ", WordOf(recipe.method),
                              " has none: use sequential or independent"));
  }
  if (RoundingFitOf(recipe) == RoundingFit::kSignRound && recipe.signround_iters > 0 && recipe.signround_lr == 0 &&
      recipe.signround_minmax_lr == 0) {
    problems.Add(
        "signround_lr and signround_minmax_lr are both 0: nothing would be fitted (signround_iters: 0 rounds to "
        "nearest)");
  }
  if (recipe.init != Initialization::kMinMax && !TraitsOf(recipe.method).trains) {
    problems.Add(absl::StrCat("init ", WordOf(recipe.init), " is where a training starts from, but method '",
                              WordOf(recipe.method), "' trains nothing: use init minmax"));
  }
  if (Prepares(recipe) && !Quantizes(recipe) && recipe.method != Method::kSensitivity) {
    problems.Add(absl::StrCat("prepare ", WordOf(recipe.prepare),
                              " scales blocks before they are quantized or measured, but method '",
                              WordOf(recipe.method), "' does neither: use prepare none"));
  }
  if (recipe.eval_kl && !Quantizes(recipe)) {
    problems.Add(absl::StrCat("eval_kl compares the quantized model with the full-precision one, but method '",
                              WordOf(recipe.method), "' quantizes nothing: leave eval_kl out"));
  }
  if (recipe.sym && recipe.middle_zero_points) {
    problems.Add(
        "sym fixes every zero point at 2^(bits-1), and middle_zero_points lets those of 2 bits be 1 or 2: set one of "
        "them");
  }
  const auto serve = ParseServe(recipe.serve);
  if (!serve.ok()) problems.Add(std::string(MessageOf(serve.status())));
  if (serve.ok() && !serve->empty() && recipe.export_format == ExportFormat::kNone) {
    problems.Add(absl::StrCat("serve ", recipe.serve, " needs an export, and export_format is none: ",
                              Quantizes(recipe) ? "leave export_format out" : "leave serve out"));
  }
  if (recipe.e2e_qp && !Quantizes(recipe)) {
    problems.Add(absl::StrCat("e2e_qp trains the scales of quantized blocks, but method '", WordOf(recipe.method),
                              "' makes none: use block_ap, gptq or rtn, or leave e2e_qp out"));
  }
  if (!Quantizes(recipe) && recipe.export_format != ExportFormat::kNone) {
    problems.Add(absl::StrCat("export_format ", WordOf(recipe.export_format), " needs quantized blocks, but method '",
                              WordOf(recipe.method), "' makes none: use export_format none"));
  }
  if (TraitsOf(recipe.export_format).widths.empty() && !recipe.sym) {
    problems.Add(absl::StrCat("export_format ", WordOf(recipe.export_format),
                              " holds symmetric quantization alone: set sym, or use ", FormatsThatHold(recipe.wbits)));
  }
}

void CheckGroups(std::string_view field, int64_t group_size, const LlamaConfig& model, Problems& problems) {
  std::string problem = GroupSizeProblem(field, group_size, model);
  if (!problem.empty()) problems.Add(std::move(problem));
}

// What the format's file, or its reader, does not have: said before anything is trained.
void CheckExportFormat(const Recipe& recipe, const LlamaConfig& model, Problems& problems) {
  const ExportFormatTraits& format = TraitsOf(recipe.export_format);
  const auto add = [&](const auto&... parts) {
    problems.Add(absl::StrCat("export_format ", WordOf(recipe.export_format), ": ", parts...));
  };
  if (recipe.group_size > 0 && recipe.group_size % format.group_multiple != 0) {
    add("it holds groups that are multiples of ", format.group_multiple, ", and group_size is ", recipe.group_size);
  }
  for (const LinearKind kind : kAllLinears) {
    const int64_t in_features = ShapeOf(model, kind).in_features;
    if (recipe.group_size != -1 || in_features % format.group_multiple == 0) continue;
    add("it holds rows that are multiples of ", format.group_multiple, ", and those of ", LinearName(kind), " have ",
        in_features, " weights");
  }
  if (!format.for_llama_cpp) return;
  if (const auto held = LlamaCppModelOf(model); !held.ok()) add(MessageOf(held.status()));
}

// The key is for blocks of 2 bits, of which a recipe without mixed precision may have none.
void CheckMiddleZeroPoints(const Recipe& policies, Problems& problems) {
  if (!policies.middle_zero_points || policies.wbits == 2 || policies.use_mixed_precision) return;
  if (const auto given = ParseBlockBits(policies.block_bits); given.ok()) {
    for (const auto& [block, bits] : *given) {
      if (bits == 2) return;
    }
  }
  problems.Add(absl::StrCat("middle_zero_points confines zero points of 2-bit blocks, and there are none at wbits ",
                            policies.wbits, ": set wbits to 2, or leave middle_zero_points out"));
}

// A task for every block and shard, and for every probe or pilot of those.
void CheckMeasuringTasks(const Recipe& recipe, const LlamaConfig& model, double choices, Problems& problems) {
  const double shards = std::ceil(static_cast<double>(recipe.sensitivity_samples) /
                                  static_cast<double>(recipe.sensitivity_shard_samples));
  const bool by_probes = recipe.sensitivity_metric == SensitivityMetric::kHessian;
  const double probes = by_probes ? static_cast<double>(recipe.hessian_probes) : 1;
  const double pilots = recipe.sensitivity_metric == SensitivityMetric::kPilot ? choices : 1;
  const double tasks = static_cast<double>(model.num_hidden_layers) * shards * probes * pilots;
  if (tasks <= kMaxMeasuringTasks) return;
  problems.Add(absl::StrCat("sensitivity_samples ", recipe.sensitivity_samples, " in shards of ",
                            recipe.sensitivity_shard_samples,
                            by_probes ? absl::StrCat(" with hessian_probes ", recipe.hessian_probes) : "", " make ",
                            static_cast<int64_t>(tasks), " tasks: at most ", static_cast<int64_t>(kMaxMeasuringTasks),
                            "; choose larger shards"));
}

void CheckSensitivity(const Recipe& recipe, bool optimal, const LlamaConfig* model, Problems& problems) {
  const StatusOr<std::vector<QuantChoice>> choices = SensitivityChoices(recipe);
  if (!choices.ok()) return problems.Add(std::string(MessageOf(choices.status())));
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

void CheckScaleTraining(const Recipe& recipe, const LlamaConfig& model, Problems& problems) {
  problems.Integer("e2e_seqlen", recipe.e2e_seqlen, 2, model.max_position_embeddings);
  if (recipe.e2e_seqlen < 2 || recipe.e2e_batch_size < 1 || !std::isfinite(recipe.e2e_epochs)) return;
  CheckWindow("e2e_seqlen", recipe.e2e_seqlen, recipe, model, problems);
  const int64_t steps = ScaleTrainingSteps(recipe);
  if (steps < 1) {
    problems.Add(absl::StrCat("e2e_epochs ", recipe.e2e_epochs, " of ", recipe.e2e_train_size,
                              " windows make no optimizer step: choose more, or leave e2e_qp out"));
  } else if (steps / SegmentSteps(recipe) >= kMaxSegments) {
    problems.Add(absl::StrCat("e2e_epochs ", recipe.e2e_epochs, " of ", recipe.e2e_train_size, " windows of ",
                              recipe.e2e_seqlen, " tokens make more than ", kMaxSegments,
                              " tasks one after the other: choose fewer"));
  }
}

void CheckAgainstModel(const Recipe& recipe, const LlamaConfig& model, Problems& problems) {
  problems.Integer("training_seqlen", recipe.training_seqlen, 1, model.max_position_embeddings);
  problems.Integer("ppl_seqlen", recipe.ppl_seqlen, 2, model.max_position_embeddings);
  if (recipe.group_size != -1 && recipe.group_size < 1) {
    problems.Add(absl::StrCat("group_size is ", recipe.group_size, ", must be -1 (a whole row) or at least 1"));
  } else if (CutsIntoGroups(recipe)) {
    CheckGroups("group_size", recipe.group_size, model, problems);
    CheckExportFormat(recipe, model, problems);
  }
  CheckWindow("training_seqlen", recipe.training_seqlen, recipe, model, problems);
  CheckWindow("ppl_seqlen", recipe.ppl_seqlen, recipe, model, problems);
  if (TrainsScales(recipe)) CheckScaleTraining(recipe, model, problems);
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

Status CheckRecipe(const Recipe& recipe, const PartialRecipe& given, const LlamaConfig* model) {
  Problems problems;
  CheckFinite(recipe, problems);
  if (problems.empty()) CheckFields(recipe, given, problems);
  CheckRecipeCombinations(recipe, problems);
  if (recipe.sym && given.zp_lr.has_value() && *given.zp_lr != 0) {
    problems.Add("sym does not train zero points, and zp_lr is a rate for them: leave one of them out");
  }
  if (model != nullptr) CheckAgainstModel(recipe, *model, problems);
  const StatusOr<Recipe> policies = ResolvePolicies(recipe);
  const bool optimal = policies.ok() && IsOptimal(*policies);
  if (policies.ok()) CheckMiddleZeroPoints(*policies, problems);
  if (problems.empty()) CheckSensitivity(recipe, optimal, model, problems);
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrCat("recipe: ", problems.Join()));
  LWQ_RETURN_IF_ERROR(Annotate(policies.status(), "recipe"));
  const ZeroPoints zero_points = ZeroPointsOf(recipe);
  if (!FormatHolds(recipe.export_format, recipe.wbits, zero_points)) {
    return absl::FailedPreconditionError(absl::StrCat("recipe: export_format ", WordOf(recipe.export_format),
                                                      " cannot hold wbits ", recipe.wbits, ": use ",
                                                      FormatsThatHold(recipe.wbits, /*files=*/false, zero_points),
                                                      ", or ", WidthsText(recipe.export_format, zero_points), " bits"));
  }
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
