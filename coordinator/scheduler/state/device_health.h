// SPDX-License-Identifier: Apache-2.0
// Which devices fail what others do not, and are given nothing for a while; and on which devices each task has failed.
// docs/adr/0022-quarantine.md has the reasons.
//
// A failure counts against its device where it can be the device's: DEVICE and LEASE_LOST at once, until the task fails
// on a second device as well; every such failure, MEMORY and INFRASTRUCTURE too, once the task has succeeded on another
// device. What a device has executed since clears what failed there of the same kind. A device is
//   TRUSTED
//   QUARANTINED  from when two failures count against it that are of different runs, or three of any; for the first
//                time, twice as long whenever it happens again, an hour at most. It ends at once when failures that
//                counted do not count any more.
//   PROBED       once that time is over: the next failure quarantines it again, and what it executes of the kinds that
//                have failed there makes it trusted, as if nothing had been.
// One task alone, however bad, is one failure on its first device and none from its second on.
//
// A device is known by the worker's name, so that a process that is started again under the same name stays what it
// was; a worker without a name by its id. Thread-safety: none. Determinism: a function of the calls. Not durable: after
// a restart every device is trusted, and no task has failed anywhere; the budgets of retry.h are durable.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/digest/digest.h"
#include "common/task/task_def.h"
#include "coordinator/scheduler/state/records.h"
#include "coordinator/scheduler/state/retry.h"

namespace lwq::coordinator {

inline const std::string& DeviceOf(const WorkerRecord& worker) {
  return worker.name.empty() ? worker.id.value : worker.name;
}

enum class Standing { kTrusted, kQuarantined, kProbed };

struct DeviceFailure {
  Digest task;
  int64_t run = 0;  // one that wants it, by its sequence
  TaskKind kind = TaskKind::kNoop;
  FailureCause cause = FailureCause::kDevice;
  std::string message;
};

class DeviceHealth {
 public:
  static constexpr int64_t kLongestMs = int64_t{3600} * 1000;

  // How long a first quarantine lasts; 0: there are none. Before the first call of another.
  void Configure(int64_t first_ms) { first_ms_ = first_ms; }

  // Each tells whether devices became quarantined by it, and names them.
  std::vector<std::string> Failed(const std::string& device, const DeviceFailure& failure, int64_t now_ms);
  std::vector<std::string> Succeeded(const std::string& device, const Digest& task, TaskKind kind, int64_t now_ms);
  // The task is over without having been executed to its end, or begins anew: where it failed tells nothing any more.
  void Forget(const Digest& task);
  // The device is gone; what it was is kept while it is quarantined.
  void ForgetDevice(const std::string& device);
  // Somebody says that it is well again. False: nothing was against it.
  bool Release(const std::string& device);
  // The times that are over at now_ms end.
  void Advance(int64_t now_ms);

  Standing StandingOf(const std::string& device) const;
  // Where the task has failed and not succeeded since; null: nowhere.
  const std::set<std::string>* DevicesOf(const Digest& task) const;
  // QUARANTINED: until when.
  std::optional<int64_t> QuarantinedUntil(const std::string& device) const;
  // What counts against the device, in one line; "" where nothing does.
  std::string Reason(const std::string& device) const;
  // Ends of quarantines, soonest first.
  const std::set<std::pair<int64_t, std::string>>& ends() const { return ends_; }

 private:
  struct Blame {
    DeviceFailure failure;
    bool confirmed = false;  // the task has succeeded elsewhere
  };
  struct Device {
    Standing standing = Standing::kTrusted;
    int64_t until_ms = 0;  // QUARANTINED
    int times = 0;         // in a row
    std::map<Digest, Blame> blames;
    std::string last_message;
  };
  bool Counts(const Blame& blame) const;
  bool IsGuilty(const Device& device) const;
  // QUARANTINED if it is to be and was not; whether it became so.
  bool Judge(const std::string& name, Device& device, int64_t now_ms);
  // Ends a quarantine for which nothing speaks any more.
  void Acquit(const std::string& name, Device& device);
  void End(const std::string& name, Device& device, Standing standing);

  int64_t first_ms_ = 0;
  std::map<std::string, Device> devices_;  // those against which something was found
  std::map<Digest, std::set<std::string>> failed_on_;
  std::set<std::pair<int64_t, std::string>> ends_;
};

}  // namespace lwq::coordinator
