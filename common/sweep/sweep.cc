// SPDX-License-Identifier: Apache-2.0
#include "common/sweep/sweep.h"

#include <algorithm>
#include <set>

#include "common/text/one_line.h"

namespace lwq {
namespace {

// Folders are named after runs, and file systems end names at 255 bytes.
constexpr size_t kMaxNameBytes = 160;

Status InvalidAt(const std::string& where, const std::string& message) {
  const Status status = absl::InvalidArgumentError(message);
  return where.empty() ? status : Annotate(status, where);
}

const Setting* Find(const AxisRow& row, const std::string& key) {
  const auto found = std::find_if(row.begin(), row.end(), [&](const Setting& set) { return set.axis->key == key; });
  return found == row.end() ? nullptr : &*found;
}

const Json* ValueOf(const Sweep& sweep, const AxisRow& row, const std::string& key) {
  if (const Setting* set = Find(row, key); set != nullptr) return &set->value->value;
  const auto base = sweep.base.find(key);
  return base == sweep.base.end() ? nullptr : &base->second;
}

bool Meets(const Sweep& sweep, const AxisRow& row, const SweepCondition& condition) {
  return std::all_of(condition.keys.begin(), condition.keys.end(), [&](const auto& wanted) {
    const Json* value = ValueOf(sweep, row, wanted.first);
    return value != nullptr && std::find(wanted.second.begin(), wanted.second.end(), *value) != wanted.second.end();
  });
}

Status CheckOnlyIf(const Sweep& sweep) {
  const std::set<std::string> axis_keys = KeysOf(sweep.axes);
  for (const auto& [key, condition] : sweep.only_if) {
    if (!axis_keys.contains(key)) {
      return InvalidAt(condition.where,
                       absl::StrCat("only_if: no axis sets ", key, "; add it to the axes or remove it"));
    }
    for (const auto& [asked, values] : condition.keys) {
      if (axis_keys.contains(asked) || sweep.base.contains(asked)) continue;
      return InvalidAt(condition.where, absl::StrCat("only_if: ", key, " depends on ", asked,
                                                     ", which neither the axes nor the base give; give it there"));
    }
  }
  return absl::OkStatus();
}

// Leaving a key out can only make conditions fail, so the order of looking does not matter.
void LeaveOut(const Sweep& sweep, AxisRow* row, std::set<std::string>* ever_set) {
  bool changed = true;
  while (changed) {
    changed = false;
    for (const auto& [key, condition] : sweep.only_if) {
      const Setting* set = Find(*row, key);
      if (set == nullptr || Meets(sweep, *row, condition)) continue;
      row->erase(row->begin() + (set - row->data()));
      changed = true;
    }
  }
  for (const Setting& set : *row) ever_set->insert(set.axis->key);
}

// Two rows are the same arm when this is equal: what they set, arms' names included.
std::string Identity(const AxisRow& row) {
  Json settings = Json::object();
  for (const Setting& set : row) settings[set.axis->key] = set.value->value;
  return CanonicalJson(settings);
}

SweepArm ArmOf(const AxisRow& row) {
  SweepArm arm;
  for (const Setting& set : row) {
    if (set.axis->key != kArmKey) arm.overrides[set.axis->key] = set.value->value;
    if (set.axis->labelled) arm.labels.emplace_back(set.axis->key, set.value->label);
  }
  return arm;
}

// Keys that are the same in every arm tell nothing apart.
std::set<std::string> VariedKeys(const std::vector<SweepArm>& arms) {
  std::map<std::string, std::pair<std::set<Json>, size_t>> seen;  // key → values, arms that have it
  for (const SweepArm& arm : arms) {
    for (const auto& [key, label] : arm.labels) {
      const auto value = arm.overrides.find(key);
      seen[key].first.insert(value != arm.overrides.end() ? value->second : Json(label));
      ++seen[key].second;
    }
  }
  std::set<std::string> varied;
  for (const auto& [key, values] : seen) {
    if (values.first.size() > 1 || values.second < arms.size()) varied.insert(key);
  }
  return varied;
}

std::string NameOf(const SweepArm& arm, const std::set<std::string>& varied, size_t number) {
  std::string name;
  for (const auto& [key, label] : arm.labels) {
    if (!varied.contains(key)) continue;
    absl::StrAppend(&name, name.empty() ? "" : " ", key == kArmKey ? "" : absl::StrCat(key, "="), label);
  }
  if (name.empty()) return "base";
  if (name.size() <= kMaxNameBytes) return name;
  return absl::StrCat(OneLine(name, kMaxNameBytes), " #", number);
}

Status NameArms(std::vector<SweepArm>* arms) {
  const std::set<std::string> varied = VariedKeys(*arms);
  std::map<std::string, size_t> numbers;
  for (size_t i = 0; i < arms->size(); ++i) {
    SweepArm& arm = (*arms)[i];
    arm.name = NameOf(arm, varied, i + 1);
    const auto [first, is_new] = numbers.emplace(arm.name, i + 1);
    if (is_new) continue;
    return absl::InvalidArgumentError(absl::StrCat("two different arms, the ", first->second, ". and the ", i + 1,
                                                   "., are both named \"", OneLine(arm.name, kMaxNameBytes),
                                                   "\"; give arms, models and texts names of their own"));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<SweepArms> ExpandSweep(const Sweep& sweep) {
  LWQ_RETURN_IF_ERROR(CheckOnlyIf(sweep));
  LWQ_ASSIGN_OR_RETURN(std::vector<AxisRow> rows, RowsOf(sweep.axes));
  SweepArms result;
  result.combinations = static_cast<int64_t>(rows.size());
  std::set<std::string> identities;
  std::set<std::string> ever_set;
  std::vector<bool> excludes(sweep.exclude.size(), false);
  size_t equal = 0;
  for (AxisRow& row : rows) {
    LeaveOut(sweep, &row, &ever_set);
    if (!identities.insert(Identity(row)).second) {
      ++equal;
      continue;
    }
    bool dropped = false;
    for (size_t i = 0; i < sweep.exclude.size(); ++i) {
      if (!Meets(sweep, row, sweep.exclude[i])) continue;
      dropped = true;
      excludes[i] = true;
    }
    if (!dropped) result.arms.push_back(ArmOf(row));
    if (result.arms.size() > kMaxSweepArms) {
      return absl::InvalidArgumentError(
          absl::StrCat("has more than ", kMaxSweepArms, " arms; take values or axes out, or split it"));
    }
  }
  if (result.arms.empty()) {
    return absl::InvalidArgumentError("no arm is left: exclude drops them all; remove a condition");
  }
  if (equal > 0 && sweep.only_if.empty()) {
    result.remarks.push_back(absl::StrCat(equal, " of ", result.combinations, " combinations repeat earlier ones"));
  }
  for (const auto& [key, condition] : sweep.only_if) {
    if (ever_set.contains(key)) continue;
    result.remarks.push_back(absl::StrCat(condition.where, condition.where.empty() ? "" : ": ",
                                          "only_if: no arm meets the condition of ", key, ", so no run has it"));
  }
  for (size_t i = 0; i < excludes.size(); ++i) {
    if (excludes[i]) continue;
    const std::string& where = sweep.exclude[i].where;
    result.remarks.push_back(absl::StrCat(where, where.empty() ? "" : ": ", "exclude: no arm meets this condition"));
  }
  LWQ_RETURN_IF_ERROR(NameArms(&result.arms));
  return result;
}

}  // namespace lwq
