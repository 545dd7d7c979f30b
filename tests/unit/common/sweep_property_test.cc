// SPDX-License-Identifier: Apache-2.0
// Properties of sweeps over random trees and conditions.
#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>

#include "common/sweep/sweep.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/common/sweep_trees.h"

namespace lwq {
namespace {

using test::Values;

using Rows = std::vector<std::map<std::string, Json>>;

AxisNode RandomAxis(const std::string& key) {
  std::vector<Json> values(*rc::gen::inRange<size_t>(1, 5));
  std::iota(values.begin(), values.end(), *rc::gen::inRange(-3, 3));
  return Values(key, values);
}

std::string KeyNumber(int number) {
  return "k" + std::to_string(number);
}

// Keys are numbered, so that no two axes share one.
AxisNode RandomTree(int depth, int most_parts, int* keys) {
  const int kind = depth == 0 ? 0 : *rc::gen::inRange(0, 3);
  if (kind == 0) return RandomAxis(KeyNumber((*keys)++));
  std::vector<AxisNode> parts;
  const int count = *rc::gen::inRange(1, most_parts + 1);
  for (int i = 0; i < count; ++i) parts.push_back(RandomTree(depth - 1, most_parts, keys));
  return kind == 1 ? test::Product(std::move(parts)) : test::List(std::move(parts));
}

Sweep RandomSweep() {
  int keys = 0;
  Sweep sweep;
  sweep.axes = RandomTree(2, 2, &keys);
  return sweep;
}

SweepCondition RandomCondition(const AxisNode& axes) {
  SweepCondition condition;
  const std::set<std::string> keys = KeysOf(axes);
  for (const std::string& key : keys) {
    if (*rc::gen::inRange(0, 3) == 0) condition.keys[key] = {*rc::gen::inRange(-3, 5), *rc::gen::inRange(-3, 5)};
  }
  if (condition.keys.empty()) condition.keys[*keys.begin()] = {0};
  return condition;
}

Rows Expanded(const Sweep& sweep) {
  const auto arms = ExpandSweep(sweep);
  if (!arms.ok()) return {};  // exclude may drop them all
  Rows rows;
  for (const SweepArm& arm : arms->arms) rows.push_back(arm.overrides);
  return rows;
}

bool MeetsAll(const std::map<std::string, Json>& row, const SweepCondition& condition) {
  for (const auto& [key, values] : condition.keys) {
    const auto set = row.find(key);
    if (set == row.end() || std::count(values.begin(), values.end(), set->second) == 0) return false;
  }
  return true;
}

RC_GTEST_PROP(SweepProperty, AGridHasAsManyArmsAsTheProductOfItsAxesAllDifferent, ()) {
  Sweep sweep;
  size_t product = 1;
  const int axes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < axes; ++i) {
    sweep.axes.parts.push_back(RandomAxis(KeyNumber(i)));
    product *= sweep.axes.parts.back().values.size();
  }
  const Rows rows = Expanded(sweep);
  RC_ASSERT(rows.size() == product);
  RC_ASSERT(std::set<Json>(rows.begin(), rows.end()).size() == product);
}

RC_GTEST_PROP(SweepProperty, RowsAreCountedAsTheyAreMade, ()) {
  int keys = 0;
  const AxisNode axes = RandomTree(3, 3, &keys);
  const auto count = CountRows(axes);
  if (!count.ok()) {  // the only thing that can be wrong with such a tree
    RC_ASSERT(count.status().message().find("combinations") != absl::string_view::npos);
    return;
  }
  RC_ASSERT(static_cast<size_t>(*count) == RowsOf(axes)->size());
}

RC_GTEST_PROP(SweepProperty, AZipIsTheListOfItsRows, ()) {
  const size_t length = *rc::gen::inRange<size_t>(1, 6);
  const int axes = *rc::gen::inRange(1, 5);
  Sweep zip;
  Sweep list;
  zip.axes.kind = AxisNode::Kind::kZip;
  list.axes.kind = AxisNode::Kind::kList;
  list.axes.parts.resize(length);
  for (int i = 0; i < axes; ++i) {
    std::vector<Json> values;
    for (size_t j = 0; j < length; ++j) values.push_back(*rc::gen::inRange(0, 3));
    zip.axes.parts.push_back(Values(KeyNumber(i), values));
    for (size_t j = 0; j < length; ++j) list.axes.parts[j].parts.push_back(Values(KeyNumber(i), {values[j]}));
  }
  RC_ASSERT(Expanded(zip) == Expanded(list));
  RC_ASSERT(test::NamesOf(zip) == test::NamesOf(list));
}

RC_GTEST_PROP(SweepProperty, ExcludeIsAFilterThatKeepsTheOrder, ()) {
  Sweep sweep = RandomSweep();
  Rows kept = Expanded(sweep);
  const int conditions = *rc::gen::inRange(1, 4);
  for (int i = 0; i < conditions; ++i) {
    sweep.exclude.push_back(RandomCondition(sweep.axes));
    std::erase_if(kept, [&](const auto& row) { return MeetsAll(row, sweep.exclude.back()); });
  }
  RC_ASSERT(Expanded(sweep) == kept);
  std::reverse(sweep.exclude.begin(), sweep.exclude.end());
  RC_ASSERT(Expanded(sweep) == kept);
}

RC_GTEST_PROP(SweepProperty, TheOrderOfAxesOrdersArmsAndChangesNoneOfThem, ()) {
  Sweep sweep;
  const int axes = *rc::gen::inRange(2, 5);
  for (int i = 0; i < axes; ++i) sweep.axes.parts.push_back(RandomAxis(KeyNumber(i)));
  for (int i = 0; i + 1 < axes; ++i) {
    if (*rc::gen::inRange(0, 2) == 0) sweep.only_if[KeyNumber(i)] = RandomCondition(sweep.axes);
  }
  const Rows forward = Expanded(sweep);
  std::reverse(sweep.axes.parts.begin(), sweep.axes.parts.end());
  const Rows backward = Expanded(sweep);
  RC_ASSERT(std::set<Json>(forward.begin(), forward.end()) == std::set<Json>(backward.begin(), backward.end()));
  RC_ASSERT(forward.size() == backward.size());
}

RC_GTEST_PROP(SweepProperty, EveryKeyThatStaysMeetsItsConditionAndNoArmIsThereTwice, ()) {
  Sweep sweep = RandomSweep();
  for (const std::string& key : KeysOf(sweep.axes)) {
    if (*rc::gen::inRange(0, 2) == 0) sweep.only_if[key] = RandomCondition(sweep.axes);
  }
  const Rows rows = Expanded(sweep);
  RC_ASSERT(std::set<Json>(rows.begin(), rows.end()).size() == rows.size());
  for (const auto& row : rows) {
    for (const auto& [key, condition] : sweep.only_if) RC_ASSERT(!row.contains(key) || MeetsAll(row, condition));
  }
}

RC_GTEST_PROP(SweepProperty, NamesDifferAndLabelsNameWhatIsOverridden, ()) {
  const Sweep sweep = RandomSweep();
  const auto arms = ExpandSweep(sweep);
  RC_ASSERT(arms.ok());
  std::set<std::string> names;
  for (const SweepArm& arm : arms->arms) {
    RC_ASSERT(names.insert(arm.name).second);
    RC_ASSERT(arm.labels.size() == arm.overrides.size());
    for (const auto& [key, label] : arm.labels) RC_ASSERT(arm.overrides.at(key).dump() == label);
  }
}

}  // namespace
}  // namespace lwq
