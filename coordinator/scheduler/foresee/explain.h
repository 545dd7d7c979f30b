// SPDX-License-Identifier: Apache-2.0
// Why two runs share some tasks and not others: where their graphs part, and by which fields.
//
// A task differs by itself where its kind, a parameter, its class or a leaf it reads differs; else it differs only
// because something before it does, and is not named. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "coordinator/scheduler/state/state.h"

namespace lwq::coordinator {

// "params.bits": 2 in one, 3 in the other; "" where a side has no such field.
struct FieldDifference {
  std::string field;
  std::string a, b;  // JSON
  friend bool operator==(const FieldDifference&, const FieldDifference&) = default;
};

struct Parting {
  std::string title;
  std::vector<FieldDifference> fields;  // by name
};

struct Explanation {
  int64_t tasks_a = 0, tasks_b = 0;
  int64_t shared = 0;               // the same key
  int64_t following = 0;            // of the same title, and another key only because of what they read
  std::vector<Parting> partings;    // in the order of run a
  std::vector<std::string> only_a;  // titles that the other run does not have, in order
  std::vector<std::string> only_b;
};

// What has to be known of a run's tasks, in its order: as much as a short look at the state can take with it.
struct TaskOfRun {
  Digest key;
  std::string title;
  std::shared_ptr<const TaskDef> def;
};
using TasksOfRun = std::vector<TaskOfRun>;

// FAILED_PRECONDITION: the run has no tasks yet, since no worker decided its classes.
StatusOr<TasksOfRun> TasksToExplain(const State& state, const RunEntry& run);

Explanation Explain(const TasksOfRun& a, const TasksOfRun& b);

}  // namespace lwq::coordinator
