// SPDX-License-Identifier: Apache-2.0
// Small trees of axes, written as tests read best.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/sweep/sweep.h"

namespace lwq::test {

inline std::string LabelOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

inline AxisNode Values(const std::string& key, const std::vector<Json>& values) {
  AxisNode node;
  node.kind = AxisNode::Kind::kValues;
  node.key = key;
  for (const Json& value : values) node.values.push_back({value, LabelOf(value)});
  return node;
}

inline AxisNode Node(AxisNode::Kind kind, std::vector<AxisNode> parts) {
  AxisNode node;
  node.kind = kind;
  node.parts = std::move(parts);
  return node;
}
inline AxisNode Product(std::vector<AxisNode> parts) {
  return Node(AxisNode::Kind::kProduct, std::move(parts));
}
inline AxisNode Zip(std::vector<AxisNode> parts) {
  return Node(AxisNode::Kind::kZip, std::move(parts));
}
inline AxisNode List(std::vector<AxisNode> parts) {
  return Node(AxisNode::Kind::kList, std::move(parts));
}

// One row.
inline AxisNode Set(const std::vector<std::pair<std::string, Json>>& settings) {
  AxisNode node = Product({});
  for (const auto& [key, value] : settings) node.parts.push_back(Values(key, {value}));
  return node;
}

inline AxisNode Arm(const std::string& name, const std::vector<std::pair<std::string, Json>>& settings) {
  AxisNode node = Set(settings);
  for (AxisNode& part : node.parts) part.labelled = false;
  node.parts.insert(node.parts.begin(), Values(kArmKey, {name}));
  return node;
}

inline SweepCondition Conditioned(const std::vector<std::pair<std::string, std::vector<Json>>>& keys) {
  SweepCondition condition;
  for (const auto& [key, values] : keys) condition.keys[key] = values;
  return condition;
}

// Of the arms, in order; one line of why not where the sweep is refused.
inline std::vector<std::string> NamesOf(const Sweep& sweep) {
  const auto arms = ExpandSweep(sweep);
  if (!arms.ok()) return {arms.status().ToString()};
  std::vector<std::string> names;
  for (const SweepArm& arm : arms->arms) names.push_back(arm.name);
  return names;
}

}  // namespace lwq::test
