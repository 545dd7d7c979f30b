// SPDX-License-Identifier: Apache-2.0
// From what a sweep says to its arms: what each run of it overrides, and what it is called.
//
// An arm is a row of the axes (axes.h). Then, in this order:
//   1. only_if: a key whose condition the arm does not meet is left unset, and so on until nothing changes;
//   2. arms that are then equal are one arm, which stands where the first of them stood;
//   3. exclude: an arm that meets any of these conditions is dropped.
// A condition is met by an arm that has, for each key the condition names, one of the values it lists; the arm has what
// it sets itself and, for other keys, what the base gives. A key that neither gives meets nothing. So the outcome
// depends neither on the order of conditions nor on that of their keys.
//
// Pure and deterministic. Errors: INVALID_ARGUMENT, one line "where: what; what to do".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"
#include "common/status/status.h"
#include "common/sweep/axes.h"

namespace lwq {

struct SweepCondition {
  std::string where;                              // for messages; may be empty
  std::map<std::string, std::vector<Json>> keys;  // key → values that meet it; kArmKey is a key as any other
};

struct Sweep {
  std::map<std::string, Json> base;  // what every run has unless its arm says otherwise; only conditions read it
  AxisNode axes;
  std::vector<SweepCondition> exclude;
  std::map<std::string, SweepCondition> only_if;  // axis key → when it applies
};

struct SweepArm {
  // Different from every other arm's: the labels that are not the same in all arms, as "mpq wbits=2 seed=3".
  std::string name;
  std::map<std::string, Json> overrides;                    // without kArmKey
  std::vector<std::pair<std::string, std::string>> labels;  // axis key → value as text, in the order of the axes
};

struct SweepArms {
  std::vector<SweepArm> arms;        // in the order of the rows; at least one
  int64_t combinations = 0;          // rows of the axes, before conditions
  std::vector<std::string> remarks;  // lines that the user should see, such as a condition that nothing meets
};

// As many runs as a coordinator takes at once.
inline constexpr size_t kMaxSweepArms = 1'000;

// Refused beside what CountRows refuses: only_if for a key that no axis sets, or with a condition on one that neither
// axes nor base give; no arms left; more than kMaxSweepArms; two different arms whose names would be equal.
StatusOr<SweepArms> ExpandSweep(const Sweep& sweep);

}  // namespace lwq
