// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/memory_store.h"

namespace lwq::coordinator {

StatusOr<Term> MemoryStore::TakeTerm() {
  ++term_.number;
  return term_;
}

StatusOr<Records> MemoryStore::Load() {
  Records records;
  for (const auto& [sequence, run] : runs_) records.runs.push_back(run);
  records.run_tasks = run_tasks_;
  for (const auto& [key, task] : tasks_) records.tasks.push_back(task);
  for (const auto& [key, action] : actions_) records.actions.push_back(action);
  for (const auto& [digest, discarded] : discarded_) records.discarded.push_back(discarded);
  for (const auto& [id, worker] : workers_) records.workers.push_back(worker);
  for (const auto& [id, request] : requests_) records.requests.push_back(request);
  for (const auto& [sequence, sweep] : sweeps_) {
    SweepRecord& record = records.sweeps.emplace_back(sweep);
    const auto results = rung_results_.find(sweep.id);
    if (results == rung_results_.end()) continue;
    for (const auto& [number, result] : results->second) record.rung_results.push_back(result);
  }
  for (const auto& [sequence, line] : logs_) records.logs.push_back(line);
  records.next_worker = next_worker_;
  records.token_floor = token_floor_;
  return records;
}

Status MemoryStore::Commit(Term term, std::span<const Change> changes) {
  LWQ_RETURN_IF_ERROR(CheckTerm(term, term_, Describe()));
  LWQ_RETURN_IF_ERROR(commit_status_);
  for (const Change& change : changes) std::visit([&](const auto& one) { Apply(one); }, change);
  return absl::OkStatus();
}

void MemoryStore::Apply(const PutRun& change) {
  runs_[change.run.sequence] = change.run;
}
void MemoryStore::Apply(const PutRunTasks& change) {
  run_tasks_[change.run] = change.tasks;
}
void MemoryStore::Apply(const PutTask& change) {
  tasks_[change.task.key] = change.task;
}
void MemoryStore::Apply(const PutAction& change) {
  actions_[change.action.key] = change.action;
}
void MemoryStore::Apply(const DropAction& change) {
  actions_.erase(change.key);
}
void MemoryStore::Apply(const PutDiscarded& change) {
  discarded_[change.discarded.artifact.digest] = change.discarded;
}
void MemoryStore::Apply(const DropDiscarded& change) {
  discarded_.erase(change.artifact);
}
void MemoryStore::Apply(const PutWorker& change) {
  workers_[change.worker.id] = change.worker;
}
void MemoryStore::Apply(const DropWorker& change) {
  workers_.erase(change.id);
}
void MemoryStore::Apply(const PutNextWorker& change) {
  next_worker_ = change.number;
}
void MemoryStore::Apply(const PutRequest& change) {
  requests_[change.request.request_id] = change.request;
}
void MemoryStore::Apply(const PutSweep& change) {
  SweepRecord& sweep = sweeps_[change.sweep.sequence];
  sweep = change.sweep;
  sweep.rung_results.clear();
}
void MemoryStore::Apply(const AppendRungResult& change) {
  rung_results_[change.sweep][change.number] = change.result;
}
void MemoryStore::Apply(const DropSweep& change) {
  sweeps_.erase(change.sequence);
  rung_results_.erase(change.id);
}
void MemoryStore::Apply(const AppendLog& change) {
  logs_[change.line.sequence] = change.line;
}
void MemoryStore::Apply(const DropLogs& change) {
  std::erase_if(logs_,
                [&](const auto& entry) { return entry.second.run == change.run && entry.first <= change.up_to; });
}
void MemoryStore::Apply(const DropRun& change) {
  runs_.erase(change.sequence);
  run_tasks_.erase(change.id);
  std::erase_if(logs_, [&](const auto& entry) { return entry.second.run == change.id; });
}

}  // namespace lwq::coordinator
