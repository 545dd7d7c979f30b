// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/comparison_file.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/base/format.h"
#include "client/run_file/comparison_arms.h"
#include "client/run_file/run_fields.h"
#include "client/run_file/run_values.h"
#include "client/run_file/suggestion.h"
#include "client/run_file/sweep_file.h"
#include "client/run_file/write_run_file.h"
#include "common/recipe/method.h"
#include "common/recipe/recipe_table.h"

namespace lwq::client {
namespace {

// What tells the arms apart, and where results would go: nothing that the run says of these holds in a comparison.
constexpr const char* kDecidedKeys[] = {"method",
                                        "prepare",
                                        "init",
                                        "e2e_qp",
                                        "ablation",
                                        "mpq_strategy",
                                        "target_avg_bits",
                                        "target_size_mb",
                                        "block_bits",
                                        "layer_ordering",
                                        "reorder_every",
                                        "block_grouping",
                                        "adaptive_epochs",
                                        "adaptive_lr_scaling",
                                        "use_adaptive_training",
                                        "use_mixed_precision",
                                        "export_format",
                                        "serve",
                                        "real_quant",
                                        "save_quant_dir"};

constexpr int kFullWidths[] = {4, 3, 2};
constexpr int64_t kFullSeeds = 3;

// What is quick: at most so much of what the run asks for.
constexpr int64_t kQuickTrainSize = 32;
constexpr int64_t kQuickValSize = 8;
constexpr int64_t kQuickSeqlen = 512;
constexpr int64_t kQuickItems = 100;
constexpr double kQuickEpochs = 1;

constexpr int kScaleBits = 16;
constexpr int64_t kUsualGroup = 128;

// Forgets what the run says of the key; whether it said something.
bool Forget(const std::string& key, RunRequest* run) {
  const RunField& field = *FindRunField(key);
  if (!RunValue(field, *run).has_value()) return false;
  if (key == "save_quant_dir") {
    run->save_quant_dir.clear();
  } else if (key == "real_quant") {
    run->real_quant.reset();
  } else {
    lwqat::v1::Recipe* recipe = run->spec.mutable_recipe();
    recipe->GetReflection()->ClearField(recipe, recipe->GetDescriptor()->FindFieldByName(key));
  }
  return true;
}

// What the run says of a key that is a number, else the default of a key whose default is one.
double NumberSaid(const std::string& key, const RunRequest& run) {
  const std::optional<Json> said = RunValue(*FindRunField(key), run);
  return said.has_value() ? said->get<double>() : std::stod(FindRecipeField(key)->default_text);
}

Status Say(const std::string& key, const Json& value, RunRequest* run) {
  return SetRunValue(*FindRunField(key), value, run);
}

// Lowers the key where the run gives more; what it does not give stays open.
Status LowerGiven(const std::string& key, int64_t most, RunRequest* run) {
  const std::optional<Json> said = RunValue(*FindRunField(key), *run);
  if (!said.has_value() || said->get<double>() <= static_cast<double>(most)) return absl::OkStatus();
  return Say(key, most, run);
}

Status CheckPaths(const RunRequest& run) {
  std::vector<std::string> paths = {run.model_path, run.calib_dataset, run.sensitivity_file};
  for (const NamedText& text : run.eval_texts) paths.push_back(text.path);
  for (const NamedText& task : run.eval_tasks) paths.push_back(task.path);
  for (const std::string& path : paths) {
    if (IsUtf8(path)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(run.origin, ": the path \"", OneLine(path), "\" is not UTF-8; a sweep file needs another name"));
  }
  return absl::OkStatus();
}

Status CheckMeasures(const RunRequest& run) {
  const lwqat::v1::Recipe& recipe = run.spec.recipe();
  const bool reads_texts = !recipe.has_eval_ppl() || recipe.eval_ppl() || recipe.eval_kl();
  if ((reads_texts && !run.eval_texts.empty()) || !run.eval_tasks.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(run.origin, ": there is nothing to compare: give eval_texts (perplexity, eval_kl) or eval_tasks"));
}

StatusOr<std::vector<ComparisonArm>> ChooseArms(const std::vector<std::string>& names) {
  if (names.empty()) return ComparisonArms();
  std::vector<std::string> known;
  for (const ComparisonArm& arm : ComparisonArms()) known.push_back(arm.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--arms: ", UnknownNameMessage(absl::StrCat("arm \"", OneLine(name), "\""), {"", NearestName(name, known)}, "",
                                       absl::StrCat("there are ", absl::StrJoin(known, ", ")))));
  }
  std::vector<ComparisonArm> chosen;
  for (const ComparisonArm& arm : ComparisonArms()) {
    if (std::find(names.begin(), names.end(), arm.name) != names.end()) chosen.push_back(arm);
  }
  return chosen;
}

// All arms train on the same windows, whatever a preset of one of them would say.
Status FixWindows(RunRequest* base) {
  for (const char* key : {"train_size", "val_size"}) {
    LWQ_RETURN_IF_ERROR(Say(key, static_cast<int64_t>(NumberSaid(key, *base)), base));
  }
  if (!base->spec.recipe().has_disjoint_windows()) base->spec.mutable_recipe()->set_disjoint_windows(true);
  return absl::OkStatus();
}

Status MakeQuick(RunRequest* base) {
  LWQ_RETURN_IF_ERROR(LowerGiven("train_size", kQuickTrainSize, base));
  LWQ_RETURN_IF_ERROR(LowerGiven("val_size", kQuickValSize, base));
  const auto train_size = static_cast<int64_t>(NumberSaid("train_size", *base));
  for (const char* key : {"sensitivity_samples", "pilot_samples", "e2e_train_size"}) {
    LWQ_RETURN_IF_ERROR(LowerGiven(key, train_size, base));
  }
  for (const char* key : {"training_seqlen", "e2e_seqlen"}) {
    LWQ_RETURN_IF_ERROR(LowerGiven(key, kQuickSeqlen, base));
  }
  // Of a preset that nobody names here epochs may be more than the default.
  LWQ_RETURN_IF_ERROR(Say("epochs", std::min(kQuickEpochs, NumberSaid("epochs", *base)), base));
  if (base->spec.recipe().has_e2e_epochs()) {
    LWQ_RETURN_IF_ERROR(Say("e2e_epochs", std::min(kQuickEpochs, NumberSaid("e2e_epochs", *base)), base));
  }
  if (base->eval_texts.size() > 1) base->eval_texts.resize(1);
  if (base->eval_tasks.empty()) return absl::OkStatus();
  const auto items = static_cast<int64_t>(NumberSaid("eval_limit", *base));
  return Say("eval_limit", items > 0 ? std::min(items, kQuickItems) : kQuickItems, base);
}

std::vector<int> WidthsOf(const RunRequest& run, ComparisonSize size) {
  if (run.spec.recipe().has_wbits() || size == ComparisonSize::kQuick) {
    return {static_cast<int>(NumberSaid("wbits", run))};
  }
  return {std::begin(kFullWidths), std::end(kFullWidths)};
}

std::vector<int64_t> SeedsOf(const RunRequest& run, ComparisonSize size) {
  if (size == ComparisonSize::kQuick) return {};
  constexpr int64_t kMostSeed = std::numeric_limits<uint32_t>::max();
  const int64_t first = std::min(static_cast<int64_t>(NumberSaid("seed", run)), kMostSeed - kFullSeeds + 1);
  std::vector<int64_t> seeds;
  for (int64_t i = 0; i < kFullSeeds; ++i) seeds.push_back(first + i);
  return seeds;
}

// At the narrowest and the widest every block has the same, however sensitive it is.
bool CanMix(int width) {
  return width > recipe::kWeightBits[0] && width < *(std::end(recipe::kWeightBits) - 1);
}

// What blocks that all have this width store for each weight: a scale of 16 bits and a zero point for each group. Where
// the group is not known the usual one is taken, which stores less than any that takes its place.
double StoredBitsOf(int width, const RunRequest& base) {
  const int64_t group = base.spec.recipe().has_group_size() ? base.spec.recipe().group_size() : kUsualGroup;
  return group < 1 ? width : width + static_cast<double>(kScaleBits + width) / static_cast<double>(group);
}

Method MethodOfArm(const ComparisonArm& arm) {
  const auto key =
      std::find_if(arm.keys.begin(), arm.keys.end(), [](const auto& one) { return one.first == "method"; });
  LWQ_CHECK(key != arm.keys.end() && ParseWord<Method>(key->second).has_value(), "arm ", arm.name, " has no method");
  return *ParseWord<Method>(key->second);
}

// A list of YAML: "[4, 3]".
template <typename T>
std::string ListText(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(Json(value).dump());
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

class ComparisonWriter {
 public:
  ComparisonWriter(const RunRequest& base, std::vector<int> widths, std::vector<int64_t> seeds)
      : base_(base), widths_(std::move(widths)), seeds_(std::move(seeds)) {}

  std::string Write(const std::string& name, const std::vector<ComparisonArm>& arms,
                    const std::vector<std::string>& comments, std::vector<std::string>* remarks) {
    std::string text = absl::StrCat("name: ", YamlTextOf(name), "\nbase:\n");
    const std::vector<std::string> lines = absl::StrSplit(RunFileText(base_, {}), '\n', absl::SkipEmpty());
    for (const std::string& line : lines) absl::StrAppend(&text, "  ", line, "\n");
    absl::StrAppend(&text, "arms:\n");
    std::vector<std::string> at_random;
    std::vector<std::string> left_out;
    for (const ComparisonArm& arm : arms) {
      const std::vector<int> widths = WidthsOfArm(arm);
      if (arm.mixes_widths && widths.empty()) {
        left_out.push_back(arm.name);
        continue;
      }
      absl::StrAppend(&text, "  - {name: ", YamlTextOf(arm.name), ArmKeys(arm), WidthKeys(arm, widths), "}\n");
      if (arm.draws_at_random) at_random.push_back(YamlTextOf(arm.name));
    }
    if (!left_out.empty()) {
      remarks->push_back(absl::StrCat("left out are ", absl::StrJoin(left_out, ", "),
                                      ": at this width every block has the same, there is nothing to mix"));
    }
    if (!seeds_.empty() && !at_random.empty()) {
      absl::StrAppend(&text, "seeds: ", ListText(seeds_), "\nonly_if:\n  seed: {arm: [", absl::StrJoin(at_random, ", "),
                      "]}\n");
    }
    std::string head;
    for (const std::string& comment : comments) absl::StrAppend(&head, "# ", OneLine(comment), "\n");
    return head + text;
  }

 private:
  // Those that the arm differs at; none of an arm that quantizes nothing.
  std::vector<int> WidthsOfArm(const ComparisonArm& arm) const {
    if (!TraitsOf(MethodOfArm(arm)).quantizes) return {};
    std::vector<int> widths;
    for (const int width : widths_) {
      if (!arm.mixes_widths || CanMix(width)) widths.push_back(width);
    }
    return widths;
  }

  std::string ArmKeys(const ComparisonArm& arm) const {
    std::string text;
    for (const auto& [key, value] : arm.keys) absl::StrAppend(&text, ", ", key, ": ", value);
    const lwqat::v1::Recipe& recipe = base_.spec.recipe();
    const MethodTraits traits = TraitsOf(MethodOfArm(arm));
    if (!traits.quantizes && recipe.eval_kl()) absl::StrAppend(&text, ", eval_kl: false");
    const bool relays = recipe.has_handoff() && recipe.handoff() == WordOf(Handoff::kRelay);
    if (relays && traits.reads_activations && traits.method != Method::kBlockAp) {  // relay ends with Block-AP
      absl::StrAppend(&text, ", handoff: ", WordOf(Handoff::kSequential));
    }
    return text;
  }

  // One width is every arm's and stands in the base.
  std::string WidthKeys(const ComparisonArm& arm, const std::vector<int>& widths) const {
    if (widths.empty()) return "";
    std::vector<double> budgets;
    for (const int width : widths) budgets.push_back(StoredBitsOf(width, base_));
    if (widths_.size() == 1) {
      return arm.budget_in_stored_bits ? absl::StrCat(", target_avg_bits: ", Json(budgets[0]).dump()) : "";
    }
    const std::string listed = absl::StrCat("wbits: ", ListText(widths));
    if (!arm.budget_in_stored_bits) return absl::StrCat(", grid: {", listed, "}");
    return absl::StrCat(", zip: {", listed, ", target_avg_bits: ", ListText(budgets), "}");
  }

  const RunRequest& base_;
  const std::vector<int> widths_;
  const std::vector<int64_t> seeds_;
};

}  // namespace

StatusOr<Comparison> ComparisonOf(const RunRequest& run, ComparisonSize size, const std::vector<std::string>& arms) {
  LWQ_RETURN_IF_ERROR(CheckMeasures(run));
  LWQ_RETURN_IF_ERROR(CheckPaths(run));
  LWQ_ASSIGN_OR_RETURN(const std::vector<ComparisonArm> chosen, ChooseArms(arms));
  const bool quick = size == ComparisonSize::kQuick;
  Comparison comparison;
  comparison.name = absl::StrCat(run.spec.name(), quick ? " compare quick" : " compare full");
  comparison.origin = absl::StrCat("the comparison of ", run.origin);

  RunRequest base = run;
  base.spec.clear_name();
  std::vector<std::string> decided;
  for (const char* key : kDecidedKeys) {
    if (Forget(key, &base)) decided.push_back(key);
  }
  if (!decided.empty()) {
    comparison.remarks.push_back(absl::StrCat(run.origin, ": a comparison decides ", absl::StrJoin(decided, ", "),
                                              " itself; what the run says of it is left out"));
  }
  LWQ_RETURN_IF_ERROR(FixWindows(&base));
  if (quick) LWQ_RETURN_IF_ERROR(MakeQuick(&base));
  if (!quick && !base.eval_texts.empty() && !base.spec.recipe().has_eval_kl()) {
    base.spec.mutable_recipe()->set_eval_kl(true);
  }
  // Mixtures may have widths that a format does not hold, and nothing of a comparison is exported.
  base.spec.mutable_recipe()->set_export_format(std::string(WordOf(ExportFormat::kNone)));
  const std::vector<int> widths = WidthsOf(run, size);
  if (widths.size() == 1) base.spec.mutable_recipe()->set_wbits(widths.front());
  const std::vector<int64_t> seeds = SeedsOf(run, size);
  if (!seeds.empty()) base.spec.mutable_recipe()->clear_seed();

  const std::vector<std::string> comments = {
      absl::StrCat("Made by lwq compare ", quick ? "--quick" : "--full", " of ", run.origin, "."),
      "Edit it as you like; lwq plan, lwq sweep and lwq local take it."};
  comparison.text = ComparisonWriter(base, widths, seeds).Write(comparison.name, chosen, comments, &comparison.remarks);
  return comparison;
}

StatusOr<SweepRuns> RunsOfComparison(const Comparison& comparison) {
  LWQ_ASSIGN_OR_RETURN(const SweepFile file, ParseSweepFile(comparison.text, comparison.origin, ""));
  return RunsOfSweep(file);
}

}  // namespace lwq::client
