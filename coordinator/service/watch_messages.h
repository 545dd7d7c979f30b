// SPDX-License-Identifier: Apache-2.0
// What watchers are sent: made once for all who need the same, and handed to the network by a thread of its own.
//
// Many watch one run, and the loop serves them together (runtime.h), so most of them are to get the same changes.
//
// Thread-safety: Changes, Whole, OfSweep and OfRuns belong to the loop's thread, Post to any. The runtime must outlive
// this, and this every stream.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "common/access/project_scope.h"
#include "coordinator/loop/background.h"
#include "coordinator/scheduler/state/state.h"
#include "coordinator/service/shared_message.h"
#include "lwqat/v1/run_service.pb.h"
#include "lwqat/v1/sweep_service.pb.h"

namespace lwq::coordinator {

class WatchMessages {
 public:
  explicit WatchMessages(Runtime* runtime);

  struct UpTo {
    std::shared_ptr<const SharedMessage<lwqat::v1::WatchRunResponse>> message;
    uint64_t revision = 0;  // of the run: what it knows
  };
  // What changed after the run's revision `since`, or the first of it.
  UpTo Changes(const State& state, const RunEntry& run, Instant now, uint64_t since);
  // The whole run, as it was at most a moment ago in the state it is in: when a run ends, all who watched it turn to
  // the next at once.
  UpTo Whole(const State& state, const RunEntry& run, Instant now);

  struct SweepUpTo {
    std::shared_ptr<const SharedMessage<lwqat::v1::WatchSweepResponse>> message;
    uint64_t revision = 0;  // of the sweep: what it knows
  };
  // The first of the sweep's runs that changed after its revision `since`, in the order of their changes; absent: that
  // are there. kRunsInMessage at most.
  SweepUpTo OfSweep(const State& state, const SweepId& sweep, Instant now, std::optional<uint64_t> since);
  static constexpr size_t kRunsInMessage = 200;

  // Which runs a watcher of all runs is told of.
  struct RunsWatched {
    ProjectScope projects;
    int64_t first_sequence = 0;  // and those that were submitted later
    friend auto operator<=>(const RunsWatched&, const RunsWatched&) = default;
  };
  // Revisions of the state up to which a watcher knows the runs, and those that were deleted. While it is sent all
  // there is, piece by piece, the second is the later.
  struct RunsKnown {
    uint64_t runs = 0;
    uint64_t deletions = 0;
    friend auto operator<=>(const RunsKnown&, const RunsKnown&) = default;
  };
  struct RunsUpTo {
    std::shared_ptr<const SharedMessage<lwqat::v1::WatchRunsResponse>> message;
    RunsKnown known;
    bool tells = false;  // that something has changed, or all there is
  };
  // The first of the runs that changed after what is known, in the order of their changes, and all that were deleted;
  // absent: that are there. kRunsInMessage at most.
  RunsUpTo OfRuns(const State& state, const RunsWatched& watched, Instant now, std::optional<RunsKnown> known);

  // Calls `send` on the sending thread. At most one for each stream may be under way.
  void Post(std::function<void()> send);

 private:
  struct Span {
    RunId run;
    uint64_t since = 0, until = 0;
    friend auto operator<=>(const Span&, const Span&) = default;
  };
  struct WholeRun {
    UpTo up_to;
    RunState state = RunState::kPending;
    int64_t made_at_ms = 0;
  };
  std::map<Span, UpTo> changes_;  // made at the moment below
  int64_t changes_at_ms_ = 0;
  struct SweepSpan {
    SweepId sweep;
    std::optional<uint64_t> since;
    uint64_t until = 0;
    friend auto operator<=>(const SweepSpan&, const SweepSpan&) = default;
  };
  struct RunsSpan {
    RunsWatched watched;
    std::optional<RunsKnown> known;
    uint64_t until = 0;
    friend auto operator<=>(const RunsSpan&, const RunsSpan&) = default;
  };
  void BeginMoment(Instant now);

  const Term term_;
  std::map<RunId, WholeRun> whole_;           // those that may be sent again
  std::map<SweepSpan, SweepUpTo> of_sweeps_;  // made at the same moment
  std::map<RunsSpan, RunsUpTo> of_runs_;      // as well
  Background sending_;
};

}  // namespace lwq::coordinator
