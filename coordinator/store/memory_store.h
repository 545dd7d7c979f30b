// SPDX-License-Identifier: Apache-2.0
// A store that lasts as long as the object: for tests and the simulation, where it stands for the disk that outlives a
// coordinator. Passes the same conformance suite as the real ones.
#pragma once

#include <string>

#include "coordinator/store/store.h"

namespace lwq::coordinator {

class MemoryStore : public Store {
 public:
  StatusOr<Term> TakeTerm() override;
  StatusOr<Records> Load() override;
  Status Commit(Term term, std::span<const Change> changes) override;
  std::string Describe() const override { return "memory:"; }

  // Every commit fails with this until it is OK again; a failed commit changes nothing.
  void set_commit_status(Status status) { commit_status_ = std::move(status); }

 private:
  void Apply(const PutRun& change);
  void Apply(const PutRunTasks& change);
  void Apply(const PutTask& change);
  void Apply(const PutAction& change);
  void Apply(const DropAction& change);
  void Apply(const PutDiscarded& change);
  void Apply(const DropDiscarded& change);
  void Apply(const PutWorker& change);
  void Apply(const DropWorker& change);
  void Apply(const PutNextWorker& change);
  void Apply(const PutRequest& change);
  void Apply(const PutSweep& change);
  void Apply(const AppendRungResult& change);
  void Apply(const AppendLog& change);
  void Apply(const DropLogs& change);
  void Apply(const DropRun& change);
  void Apply(const DropTask& change) { tasks_.erase(change.key); }
  void Apply(const DropRequest& change) { requests_.erase(change.request_id); }
  void Apply(const DropSweep& change);
  void Apply(const PutTokenFloor& change) { token_floor_ = change.token; }

  Term term_;                          // taken last
  std::map<int64_t, RunRecord> runs_;  // by sequence
  std::map<RunId, std::vector<RunTaskRecord>> run_tasks_;
  std::map<Digest, TaskRecord> tasks_;
  std::map<Digest, ActionRecord> actions_;
  std::map<Digest, DiscardedRecord> discarded_;
  std::map<WorkerId, WorkerRecord> workers_;
  std::map<std::string, RequestRecord> requests_;
  std::map<int64_t, SweepRecord> sweeps_;                          // by sequence; without results
  std::map<SweepId, std::map<int64_t, RungResult>> rung_results_;  // by number
  std::map<int64_t, LogRecord> logs_;
  int64_t next_worker_ = 1;
  uint64_t token_floor_ = 0;
  Status commit_status_;
};

}  // namespace lwq::coordinator
