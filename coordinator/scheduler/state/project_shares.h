// SPDX-License-Identifier: Apache-2.0
// Who goes next: shares of device time between projects, by weight.
//
// Start-time fair queueing (Goyal, Vin, Cheng 1996): every project has a virtual time that grows with the device
// seconds it is given, divided by its weight; who is furthest behind goes next. A lease is charged what it is expected
// to take, and what it really took is made good when it ends, so that many idle workers do not all go to one project. A
// project that had nothing to do is not owed for it: it comes back at the virtual time of those that went on.
//
// Thread-safety: none. Determinism: a function of the calls. Not durable: after a restart all begin level.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace lwq::coordinator {

struct ProjectOptions {
  double weight = 1;        // of its share; positive
  int64_t max_running = 0;  // tasks executed at once for it; 0 = any number
  // Activations that are being made for it, or were and are still to be read (run_ahead.h), in bytes; 0 = any number.
  int64_t max_stored_bytes = 0;
  // Models, tokenizers and texts that its runs name (project_inputs.h), in bytes; 0 = any number.
  int64_t max_input_bytes = 0;
};

class ProjectShares {
 public:
  // By name; those that are not named have the options' defaults. Before the first call of another.
  void Configure(std::map<std::string, ProjectOptions> options) { options_ = std::move(options); }

  // A task of the project waits for a worker, or does not any more.
  void Waits(const std::string& project);
  void WaitsNoMore(const std::string& project);
  // A worker has been given a task of the project, which is expected to take so long.
  void Begin(const std::string& project, double expected_seconds);
  // It has ended, one way or another, after so long.
  void End(const std::string& project, double expected_seconds, double seconds);

  // The project with the smallest goes first; none: it has as many tasks running as it may.
  std::optional<double> Rank(const std::string& project) const;

  struct Use {
    int64_t waiting = 0;
    int64_t running = 0;
    double device_seconds = 0;  // of tasks that have ended
    double virtual_seconds = 0;
  };
  const std::map<std::string, Use>& all() const { return uses_; }
  ProjectOptions OptionsOf(const std::string& project) const;

 private:
  // It begins to take part.
  void CatchUp(Use& use);

  std::map<std::string, ProjectOptions> options_;
  std::map<std::string, Use> uses_;
  double level_ = 0;  // virtual time of the last that was served
};

}  // namespace lwq::coordinator
