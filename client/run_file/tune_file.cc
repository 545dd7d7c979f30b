// SPDX-License-Identifier: Apache-2.0
#include "client/run_file/tune_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "absl/time/time.h"
#include "client/base/format.h"
#include "client/run_file/halving_node.h"
#include "client/run_file/read_run_file.h"
#include "client/run_file/run_entry.h"
#include "client/run_file/run_values.h"
#include "client/run_file/suggestion.h"
#include "client/run_file/sweep_file.h"
#include "client/run_file/yaml_file.h"
#include "reporting/recipe_words.h"

namespace lwq::client {
namespace {

constexpr int64_t kMaxBatch = 1'000;       // runs that a coordinator takes at once
constexpr int64_t kMaxTrials = 1'000'000;  // points of the sequence have 32-bit numbers
constexpr std::string_view kNoHalving = "none";
constexpr char kLearningRates[][40] = {"quant_lr=1e-5..1e-2:log", "weight_lr=1e-6..1e-2:log"};
// What decides which runs there are, not what they do.
const std::set<std::string>& NotSearched() {
  static const auto* const kKeys =
      new std::set<std::string>{"method", "export_format", "eval_ppl", "eval_fp", "eval_kl"};
  return *kKeys;
}

const std::vector<std::string>& TuneKeys() {
  static const auto* const kKeys = new std::vector<std::string>{"name",  "base",    "search", "trials", "budget",
                                                                "batch", "startup", "seed",   "metric", "halving"};
  return *kKeys;
}

// A field of the recipe that a trial can be given.
Status CheckSearched(const RunField& field) {
  const bool is_recipe = lwqat::v1::Recipe::descriptor()->FindFieldByName(field.name) != nullptr;
  if (is_recipe && !NotSearched().contains(field.name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field.name, ": is nothing to search over; give keys of training, such as quant_lr or epochs"));
}

class TuneReader {
 public:
  TuneReader(std::string_view what, const std::string& directory, TuneRequest* tune)
      : what_(what), directory_(directory), entries_(what, directory), tune_(tune) {}

  Status Read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::kNull) {
      return absl::InvalidArgumentError(absl::StrCat(what_, ": is empty; a search needs base, and a budget or trials"));
    }
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, root));
    bool has_base = false;
    for (const YamlEntry& entry : entries) {
      has_base = has_base || entry.key->text == "base";
      LWQ_RETURN_IF_ERROR(ReadEntry(entry));
    }
    if (!has_base) {
      return absl::InvalidArgumentError(
          absl::StrCat(what_, ": has no base; give the keys of a run, or a run file's path"));
    }
    return absl::OkStatus();
  }

 private:
  Status ReadEntry(const YamlEntry& entry) {
    constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
    const std::string& key = entry.key->text;
    if (key == "name") {
      LWQ_ASSIGN_OR_RETURN(tune_->name, ReadText(entry));
    } else if (key == "base") {
      return ReadBase(entry);
    } else if (key == "search") {
      LWQ_ASSIGN_OR_RETURN(tune_->axes, ReadSearch(entry));
    } else if (key == "trials") {
      LWQ_ASSIGN_OR_RETURN(tune_->trials, ReadWhole(what_, entry, 1, kMaxTrials));
    } else if (key == "budget") {
      LWQ_ASSIGN_OR_RETURN(const std::string text, ReadText(entry));
      LWQ_ASSIGN_OR_RETURN(tune_->budget_seconds, At(*entry.value, ParseBudget(text)));
    } else if (key == "batch") {
      LWQ_ASSIGN_OR_RETURN(tune_->batch, ReadWhole(what_, entry, 1, kMaxBatch));
    } else if (key == "startup") {
      LWQ_ASSIGN_OR_RETURN(tune_->startup, ReadWhole(what_, entry, 0, kMaxTrials));
    } else if (key == "seed") {
      LWQ_ASSIGN_OR_RETURN(const int64_t seed, ReadWhole(what_, entry, 0, kAny));
      tune_->seed = static_cast<uint64_t>(seed);
    } else if (key == "metric") {
      LWQ_ASSIGN_OR_RETURN(tune_->metric, ReadText(entry));
      if (tune_->metric != kBlockLoss && tune_->metric != kPerplexity) {
        return Expected(entry, "block_loss or perplexity");
      }
    } else if (key == "halving") {
      return ReadHalving(entry);
    } else {
      return UnknownKey(*entry.key);
    }
    return absl::OkStatus();
  }

  template <typename T>
  StatusOr<T> At(const YamlNode& node, StatusOr<T> value) const {
    if (value.ok()) return value;
    return Annotate(value.status(), PlaceOf(what_, node));
  }
  Status Expected(const YamlEntry& entry, std::string_view expected) const {
    return ExpectedAt(what_, entry, expected);
  }
  Status UnknownKey(const YamlNode& key) const {
    if (IsSweepKey(key.text)) {
      return InvalidAt(what_, key, absl::StrCat("key \"", key.text, "\" makes this a sweep; lwq sweep takes it"));
    }
    if (FindRunField(key.text) != nullptr) {
      return InvalidAt(what_, key, absl::StrCat(key.text, " is a key of a run; put it under base, or under search"));
    }
    return InvalidAt(
        what_, key,
        UnknownNameMessage(absl::StrCat("key ", DescribeNode(key)), {"", NearestName(key.text, TuneKeys())}, "",
                           "the keys of a search are name, base, search, trials, budget, batch, "
                           "startup, seed, metric and halving"));
  }

  StatusOr<std::string> ReadText(const YamlEntry& entry) const {
    if (entry.value->kind != YamlNode::Kind::kScalar || entry.value->text.empty()) return Expected(entry, "a text");
    if (IsUtf8(entry.value->text)) return entry.value->text;
    return InvalidAt(what_, *entry.value, absl::StrCat(entry.key->text, ": is not UTF-8; write it in UTF-8"));
  }

  Status ReadBase(const YamlEntry& entry) {
    if (entry.value->kind == YamlNode::Kind::kScalar && !entry.value->text.empty()) {
      LWQ_ASSIGN_OR_RETURN(tune_->base, ReadRunFile(ResolvePath(directory_, entry.value->text)));
      tune_->base.spec.clear_name();  // of the run that will be tuned
      return absl::OkStatus();
    }
    if (entry.value->kind != YamlNode::Kind::kMap)
      return Expected(entry, "a mapping of run keys or a path of a run file");
    LWQ_ASSIGN_OR_RETURN(const std::vector<YamlEntry> entries, EntriesOf(what_, *entry.value));
    for (const YamlEntry& one : entries) {
      if (one.key->text == "name") {
        return InvalidAt(what_, *one.key, "name: the search's own name stands beside base; trials are named by it");
      }
      LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOfKey(what_, *one.key));
      LWQ_RETURN_IF_ERROR(entries_.Read(*field, *one.key, *one.value, &tune_->base));
    }
    return absl::OkStatus();
  }

  StatusOr<std::vector<SearchAxis>> ReadSearch(const YamlEntry& entry) const {
    const KeyReader read_key = [this](const YamlNode& key) -> StatusOr<const RunField*> {
      LWQ_ASSIGN_OR_RETURN(const RunField* field, FieldOfKey(what_, key));
      LWQ_RETURN_IF_ERROR(Annotate(CheckSearched(*field), PlaceOf(what_, key)));
      return field;
    };
    const ValueReader read_value = [this](const RunField& field, const YamlNode& key,
                                          const YamlNode& value) -> StatusOr<AxisValue> {
      RunRequest scratch;
      LWQ_RETURN_IF_ERROR(entries_.Read(field, key, value, &scratch));
      const Json json = RunValue(field, scratch).value_or(Json(0));
      return AxisValue{json, LabelOfValue(field, json)};
    };
    return ReadSearchAxes(what_, entry, read_key, read_value);
  }

  Status ReadHalving(const YamlEntry& entry) {
    if (entry.value->kind == YamlNode::Kind::kScalar &&
        (entry.value->text == kNoHalving || IsHalvingOrder(entry.value->text))) {
      tune_->halves = entry.value->text != kNoHalving;
      if (tune_->halves) tune_->halving.set_order(entry.value->text);
      return absl::OkStatus();
    }
    if (entry.value->kind != YamlNode::Kind::kMap) {
      return Expected(entry, "none, synchronous, asynchronous, or a mapping of min_blocks, eta and order");
    }
    return ReadHalvingNode(what_, *entry.value, /*takes_metric=*/false, &tune_->halving);
  }

  const std::string_view what_;
  const std::string& directory_;
  const RunEntryReader entries_;
  TuneRequest* tune_;
};

// Whether the text is of a search.
bool IsTuneText(const std::string& text, const std::string& path) {
  const auto root = ParseYaml(text, path, kSweepFileLimits);
  if (!root.ok() || root->kind != YamlNode::Kind::kMap) return false;
  bool has_base = false;
  bool is_sweep = false;
  for (size_t i = 0; i + 1 < root->items.size(); i += 2) {
    const std::string& key = root->items[i].text;
    if (key == "search" || key == "trials" || key == "budget") return true;
    has_base = has_base || key == "base";
    is_sweep = is_sweep || IsSweepKey(key);
  }
  return has_base && !is_sweep;
}

StatusOr<TuneRequest> ReadFile(const std::string& path) {
  TuneRequest tune;
  if (path.empty()) return tune;
  LWQ_ASSIGN_OR_RETURN(const std::string text, ReadYamlText(path, kSweepFileLimits));
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (IsTuneText(text, path)) return ParseTuneFile(text, path, directory);
  LWQ_ASSIGN_OR_RETURN(tune.base, ParseRunFile(text, path, directory));
  tune.origin = path;
  tune.name = tune.base.spec.name();
  tune.base.spec.clear_name();
  return tune;
}

Status Flagged(std::string_view flag, const Status& status) {
  return status.ok() ? status : Status(status.code(), absl::StrCat("--", flag, ": ", status.message()));
}

Status ApplyTuneFlags(const TuneFlags& flags, TuneRequest* tune) {
  if (!flags.parameters.empty()) tune->axes.clear();
  for (const std::string& text : flags.parameters) {
    auto axis = ParseSearchAxis(text);
    LWQ_RETURN_IF_ERROR(Flagged("param", axis.status()));
    LWQ_RETURN_IF_ERROR(Flagged("param", CheckSearched(*axis->field)));
    axis->where = "--param";
    tune->axes.push_back(*std::move(axis));
  }
  if (!flags.budget.empty()) {
    const auto budget = ParseBudget(flags.budget);
    LWQ_RETURN_IF_ERROR(Flagged("budget", budget.status()));
    tune->budget_seconds = *budget;
  }
  if (flags.trials.has_value()) tune->trials = flags.trials;
  if (flags.batch.has_value()) tune->batch = *flags.batch;
  if (flags.seed.has_value()) tune->seed = static_cast<uint64_t>(*flags.seed);
  if (!flags.metric.empty()) tune->metric = flags.metric;
  if (!flags.halving.empty()) tune->halves = flags.halving != kNoHalving;
  if (IsHalvingOrder(flags.halving)) tune->halving.set_order(flags.halving);
  return absl::OkStatus();
}

Status CheckTune(const TuneRequest& tune, const RunFlags& run_flags) {
  const auto invalid = [&](std::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(tune.origin, ": ", message));
  };
  for (const SearchAxis& axis : tune.axes) {
    const auto flag = run_flags.values.find(axis.field->name);
    if (flag == run_flags.values.end() || flag->second.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat("--", axis.field->name, ": the search varies ", axis.field->name,
                                                   " itself; leave the flag out or search other keys"));
  }
  if (!tune.trials.has_value() && !tune.budget_seconds.has_value()) {
    return invalid("has no end; give a budget of device time (budget: 2h) or a number of trials");
  }
  const lwqat::v1::Recipe& recipe = tune.base.spec.recipe();
  if (!reporting::TraitsOfMethod(recipe).trains) {
    return invalid(absl::StrCat("method ", recipe.method(), " trains nothing that could be tuned; use block_ap"));
  }
  if (tune.metric == kPerplexity && tune.base.eval_texts.empty()) {
    return invalid("metric perplexity needs a text; add one to eval_texts, or use block_loss");
  }
  if (tune.metric == kBlockLoss && recipe.has_val_size() && recipe.val_size() == 0) {
    return invalid("metric block_loss needs validation windows; give a val_size above 0, or use perplexity");
  }
  return Annotate(search::CheckSearchSettings(SettingsOf(tune)), tune.origin);
}

}  // namespace

bool IsTuneFile(const std::string& path) {
  const auto text = ReadYamlText(path, kSweepFileLimits);
  return text.ok() && IsTuneText(*text, path);
}

search::SearchSettings SettingsOf(const TuneRequest& tune) {
  search::SearchSettings settings;
  settings.space = SpaceOf(tune.axes);
  settings.seed = tune.seed;
  settings.batch = tune.batch;
  settings.startup_trials = tune.startup;
  settings.trials = tune.trials;
  settings.budget = tune.budget_seconds;
  return settings;
}

StatusOr<std::vector<std::vector<search::ParameterValue>>> FirstBatch(const TuneRequest& tune) {
  LWQ_ASSIGN_OR_RETURN(search::SearchStep first, search::PlanSearch(SettingsOf(tune), {}, std::nullopt));
  return std::move(first.batch);
}

StatusOr<SweepRuns> FirstBatchRuns(const TuneRequest& tune) {
  LWQ_ASSIGN_OR_RETURN(const auto trials, FirstBatch(tune));
  SweepRuns runs;
  runs.name = tune.name;
  runs.combinations = static_cast<int64_t>(trials.size());
  for (const auto& values : trials) {
    SweepArm& arm = runs.arms.emplace_back();
    for (size_t a = 0; a < tune.axes.size(); ++a) {
      const AxisValue value = ValueOfAxis(tune.axes[a], values[a]);
      const std::string& key = tune.axes[a].field->name;
      arm.overrides[key] = value.value;
      arm.labels.emplace_back(key, value.label);
      absl::StrAppend(&arm.name, a == 0 ? "" : " ", key, "=", value.label);
    }
    LWQ_ASSIGN_OR_RETURN(RunRequest request, TrialRequest(tune, values));
    request.origin = absl::StrCat(tune.origin, ": trial ", arm.name);
    runs.requests.push_back(std::move(request));
  }
  return runs;
}

StatusOr<double> ParseBudget(std::string_view text) {
  absl::Duration duration;
  const bool is_duration = absl::ParseDuration(absl::string_view(text.data(), text.size()), &duration);
  const double seconds = is_duration ? absl::ToDoubleSeconds(duration) : 0;
  if (seconds > 0 && std::isfinite(seconds)) return seconds;
  return absl::InvalidArgumentError(
      absl::StrCat("budget: expected a time such as 2h, 90m or 1h30m, got \"", OneLine(text.substr(0, 60)), "\""));
}

StatusOr<TuneRequest> ParseTuneFile(std::string_view text, std::string_view what, const std::string& directory) {
  LWQ_ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(text, what, kSweepFileLimits));
  TuneRequest tune;
  tune.origin = what;
  LWQ_RETURN_IF_ERROR(TuneReader(what, directory, &tune).Read(root));
  if (tune.name.empty()) tune.name = NameOfPath(std::string(what));
  return tune;
}

StatusOr<TuneRequest> LoadTune(const TuneFlags& flags, const RunFlags& run_flags) {
  LWQ_ASSIGN_OR_RETURN(TuneRequest tune, ReadFile(flags.file));
  LWQ_RETURN_IF_ERROR(ApplyTuneFlags(flags, &tune));
  if (tune.axes.empty()) {
    for (const char* const text : kLearningRates) {
      LWQ_ASSIGN_OR_RETURN(SearchAxis axis, ParseSearchAxis(text));
      tune.axes.push_back(std::move(axis));
    }
  }
  LWQ_RETURN_IF_ERROR(ApplyFlags(run_flags, &tune.base));
  if (!tune.base.spec.name().empty()) tune.name = tune.base.spec.name();
  tune.base.spec.clear_name();
  if (tune.name.empty()) tune.name = "tune";
  tune.base.origin = tune.origin;
  tune.halving.set_metric(tune.metric);
  LWQ_RETURN_IF_ERROR(CheckTune(tune, run_flags));
  return tune;
}

StatusOr<RunRequest> TunedRequest(const TuneRequest& tune, const std::vector<search::ParameterValue>& values) {
  RunRequest request = tune.base;
  for (size_t i = 0; i < tune.axes.size(); ++i) {
    const SearchAxis& axis = tune.axes[i];
    LWQ_RETURN_IF_ERROR(
        Annotate(SetRunValue(*axis.field, ValueOfAxis(axis, values[i]).value, &request), request.origin));
  }
  request.spec.set_name(tune.name);
  return request;
}

StatusOr<RunRequest> TrialRequest(const TuneRequest& tune, const std::vector<search::ParameterValue>& values) {
  LWQ_ASSIGN_OR_RETURN(RunRequest request, TunedRequest(tune, values));
  lwqat::v1::Recipe* const recipe = request.spec.mutable_recipe();
  recipe->set_export_format("none");
  request.real_quant.reset();
  request.save_quant_dir.clear();
  const bool evaluates = tune.metric == kPerplexity;
  recipe->set_eval_ppl(evaluates);
  recipe->set_eval_fp(false);
  recipe->clear_eval_kl();
  if (evaluates) request.eval_texts.resize(1);
  if (!evaluates) request.eval_texts.clear();
  request.eval_tasks.clear();
  if (!recipe->has_divergence_retries()) recipe->set_divergence_retries(0);
  LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  return request;
}

}  // namespace lwq::client
