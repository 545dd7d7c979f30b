// SPDX-License-Identifier: Apache-2.0
#include "reporting/sweep/arms.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "reporting/metric.h"
#include "reporting/recipe_words.h"
#include "reporting/run_facts.h"

namespace lwq::reporting {
namespace {

using lwqat::v1::Recipe;
using lwqat::v1::Run;

std::string SeedOf(const SweepRun& run) {
  const auto found = run.labels.find(kSeedLabel);
  return found == run.labels.end() ? "" : found->second;
}

std::string ModelOf(const Run& run) {
  return run.spec().model().files().digest();
}

// Arms with their runs, without values.
std::vector<Arm> GroupRuns(const SweepRuns& sweep) {
  std::vector<Arm> arms;
  std::map<std::pair<std::string, Labels>, size_t> index;
  for (size_t i = 0; i < sweep.runs.size(); ++i) {
    const std::string model = ModelOf(sweep.runs[i].run);
    const Labels labels = WithoutSeed(sweep.runs[i].labels);
    const auto [found, is_new] = index.emplace(std::pair(model, labels), arms.size());
    if (is_new) arms.push_back(Arm{.name = {}, .labels = labels, .model = model, .runs = {}, .values = {}});
    arms[found->second].runs.push_back(i);
  }
  return arms;
}

// Those that readers look for first stand first.
int PlaceOf(const std::string& axis) {
  constexpr std::array<std::string_view, 4> kFirst = {"model", "method", "wbits", "group_size"};
  return static_cast<int>(std::find(kFirst.begin(), kFirst.end(), axis) - kFirst.begin());
}

std::vector<std::string> AxesOf(const std::vector<Arm>& arms) {
  std::map<std::string, std::set<std::string>> values;
  std::map<std::string, size_t> having;
  for (const Arm& arm : arms) {
    for (const auto& [axis, value] : arm.labels) {
      values[axis].insert(value);
      ++having[axis];
    }
  }
  std::vector<std::string> axes;
  for (const auto& [axis, of_axis] : values) {
    if (of_axis.size() > 1 || having[axis] < arms.size()) axes.push_back(axis);
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [](const std::string& a, const std::string& b) { return PlaceOf(a) < PlaceOf(b); });
  return axes;
}

std::string NameOf(const Arm& arm, const std::vector<std::string>& axes) {
  std::string name;
  for (const std::string& axis : axes) {
    const auto found = arm.labels.find(axis);
    if (found != arm.labels.end()) absl::StrAppend(&name, name.empty() ? "" : ", ", axis, " ", found->second);
  }
  return name.empty() ? LabelsText(arm.labels) : name;
}

void AddValuesOfRun(const SweepRuns& sweep, size_t position, const ReportRow& row, SweepArms* all, Arm* arm) {
  const SweepRun& run = sweep.runs[position];
  if (run.run.state() != lwqat::v1::RUN_STATE_SUCCEEDED) return;
  ++arm->succeeded;
  for (size_t column = 0; column < all->columns.size(); ++column) {
    const ReportValue* value = ValueIn(row, all->columns[column]);
    if (value == nullptr) continue;
    const std::string of = absl::StrCat(TraitsOfMetric(value->column.metric).title, " ", value->column.dataset);
    if (!std::isfinite(value->value)) {
      all->remarks.push_back(absl::StrCat("run ", row.name, ": ", of, " is not finite and is left out of all means"));
      continue;
    }
    const std::string measurement = MeasurementOf(run.run, value->column);
    if (!arm->values[column].has_value()) arm->values[column].emplace(ArmValue{.measurement = measurement});
    if (arm->values[column]->measurement != measurement) {
      all->remarks.push_back(
          absl::StrCat("run ", row.name, ": ", of, " was measured on another text or other windows than in its arm"));
      continue;
    }
    if (!arm->values[column]->by_seed.emplace(SeedOf(run), value->value).second) {
      all->remarks.push_back(absl::StrCat(
          "run ", row.name, ": an earlier run has the same labels and seed and counts for ", of, " instead"));
    }
  }
}

std::optional<double> StoredBits(const SweepRuns& sweep, const Arm& arm) {
  std::vector<double> bits;
  for (const size_t position : arm.runs) {
    const auto& plan = sweep.runs[position].run.plan();
    if (!plan.blocks().empty() && plan.stored_bits_per_weight() > 0) bits.push_back(plan.stored_bits_per_weight());
  }
  if (bits.empty()) return std::nullopt;
  return MeanOf(bits).mean;
}

bool DrawsAtRandom(const Run& run) {
  const Recipe& recipe = run.has_plan() && run.plan().has_recipe() ? run.plan().recipe() : run.spec().recipe();
  const std::optional<Method> method = MethodOf(recipe);
  return method != Method::kNone && (method != Method::kRtn || Prepares(recipe) || recipe.e2e_qp());  // by the windows
}

// The arm's values by seed, beside those of another arm: a value that knows no chance stands beside each of its seeds.
std::map<std::string, double> ValuesBeside(const Arm& arm, const Arm& other, size_t column) {
  if (arm.has_chance || !other.has_chance) return arm.values[column]->by_seed;
  std::map<std::string, double> values;
  for (const auto& [seed, value] : other.values[column]->by_seed) values[seed] = arm.values[column]->mean.mean;
  return values;
}

void CompareWithBaseline(size_t column, SweepArms* all) {
  const Arm& baseline = all->arms[all->baseline];
  if (!baseline.values[column].has_value()) return;
  std::vector<std::optional<double>> p_values(all->arms.size());
  for (size_t i = 0; i < all->arms.size(); ++i) {
    Arm& arm = all->arms[i];
    if (i == all->baseline || !arm.values[column].has_value()) continue;
    if (arm.values[column]->measurement != baseline.values[column]->measurement) continue;
    const PairedDifference difference =
        ComparePaired(ValuesBeside(arm, baseline, column), ValuesBeside(baseline, arm, column));
    if (difference.pairs == 0) continue;
    p_values[i] = difference.p_value;
    arm.values[column]->difference = difference;
  }
  const auto corrected = HolmCorrected(p_values);
  for (size_t i = 0; i < all->arms.size(); ++i) {
    if (corrected[i].has_value()) all->arms[i].values[column]->holm = corrected[i];
  }
}

void MarkFront(size_t column, SweepArms* all) {
  if (!TraitsOfMetric(all->columns[column].metric).lower_is_better.value_or(false)) return;
  std::map<std::string, std::vector<size_t>> arms_of;
  for (size_t i = 0; i < all->arms.size(); ++i) {
    if (all->arms[i].values[column].has_value()) arms_of[all->arms[i].values[column]->measurement].push_back(i);
  }
  for (const auto& [measurement, members] : arms_of) {
    std::vector<FrontPoint> points;
    for (const size_t i : members) {
      points.push_back({.x = all->arms[i].stored_bits_per_weight, .y = all->arms[i].values[column]->mean.mean});
    }
    const std::vector<bool> front = ParetoFront(points);
    for (size_t i = 0; i < members.size(); ++i) all->arms[members[i]].values[column]->on_front = front[i];
  }
}

size_t BaselineArm(const std::vector<Arm>& arms, std::optional<size_t> run) {
  for (size_t i = 0; i < arms.size(); ++i) {
    const bool has_value =
        std::any_of(arms[i].values.begin(), arms[i].values.end(), [](const auto& value) { return value.has_value(); });
    const bool has_run = run.has_value() && std::count(arms[i].runs.begin(), arms[i].runs.end(), *run) > 0;
    if (run.has_value() ? has_run : has_value) return i;
  }
  return 0;
}

std::string ValueAt(const Labels& labels, const std::string& axis) {
  const auto found = labels.find(axis);
  return found == labels.end() ? "" : found->second;
}

// Means of a column by its measurement and the arm's labels without the axis, then by the axis' value.
using MatchedMeans = std::map<std::pair<std::string, Labels>, std::map<std::string, double>>;
MatchedMeans MatchArms(const SweepArms& all, size_t column, const std::string& axis) {
  MatchedMeans matched;
  for (const Arm& arm : all.arms) {
    if (!arm.values[column].has_value()) continue;
    Labels others = arm.labels;
    others.erase(axis);
    matched[{arm.values[column]->measurement, others}].emplace(ValueAt(arm.labels, axis),
                                                               arm.values[column]->mean.mean);
  }
  return matched;
}

AxisLevel LevelOf(const MatchedMeans& matched, const std::string& value, const std::string& reference, bool in_logs) {
  std::vector<double> here;
  std::vector<double> there;
  std::vector<double> effects;
  for (const auto& [others, by_value] : matched) {
    const auto a = by_value.find(value);
    const auto b = by_value.find(reference);
    if (a == by_value.end() || b == by_value.end()) continue;
    if (in_logs && (a->second <= 0 || b->second <= 0)) continue;
    here.push_back(a->second);
    there.push_back(b->second);
    effects.push_back(in_logs ? std::log(a->second) - std::log(b->second) : a->second - b->second);
  }
  const MeanOfValues effect = MeanOf(effects);
  return {.value = value,
          .matched = effect.count,
          .mean = MeanOf(here).mean,
          .reference_mean = MeanOf(there).mean,
          .effect = effect.mean,
          .standard_error = effect.standard_error};
}

}  // namespace

SweepArms BuildArms(const SweepRuns& sweep, const Report& report, std::optional<size_t> baseline_run) {
  SweepArms all{.columns = report.columns, .arms = GroupRuns(sweep), .axes = {}, .remarks = {}};
  all.axes = AxesOf(all.arms);
  std::map<std::string, const ReportRow*> row_of;
  for (const ReportRow& row : report.rows) row_of.emplace(row.run_id, &row);
  for (Arm& arm : all.arms) {
    arm.name = NameOf(arm, all.axes);
    arm.values.resize(all.columns.size());
    for (const size_t position : arm.runs) {
      arm.has_chance = arm.has_chance || DrawsAtRandom(sweep.runs[position].run);
      AddValuesOfRun(sweep, position, *row_of.at(sweep.runs[position].run.id()), &all, &arm);
    }
    for (auto& value : arm.values) {
      if (!value.has_value()) continue;
      std::vector<double> values;
      for (const auto& [seed, one] : value->by_seed) values.push_back(one);
      value->mean = MeanOf(values);
    }
    arm.stored_bits_per_weight = StoredBits(sweep, arm);
  }
  all.baseline = BaselineArm(all.arms, baseline_run);
  for (size_t column = 0; column < all.columns.size(); ++column) {
    CompareWithBaseline(column, &all);
    MarkFront(column, &all);
  }
  return all;
}

std::vector<AxisEffect> AxisEffects(const SweepArms& all, size_t column) {
  std::vector<AxisEffect> effects;
  for (const std::string& axis : all.axes) {
    AxisEffect effect{.axis = axis,
                      .reference = {},
                      .in_logs = TraitsOfMetric(all.columns[column].metric).recovers_in_logs,
                      .levels = {}};
    std::vector<std::string> values;  // in the order of the arms, of those that measured the column
    for (const Arm& arm : all.arms) {
      const std::string value = ValueAt(arm.labels, axis);
      if (!arm.values[column].has_value()) continue;
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    if (values.size() < 2) continue;
    effect.reference = values.front();
    const MatchedMeans matched = MatchArms(all, column, axis);
    for (size_t i = 1; i < values.size(); ++i) {
      effect.levels.push_back(LevelOf(matched, values[i], effect.reference, effect.in_logs));
    }
    effects.push_back(std::move(effect));
  }
  return effects;
}

}  // namespace lwq::reporting
