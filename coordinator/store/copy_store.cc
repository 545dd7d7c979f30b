// SPDX-License-Identifier: Apache-2.0
#include "coordinator/store/copy_store.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace lwq::coordinator {
namespace {

bool IsEmpty(const Records& records) {
  return records.runs.empty() && records.tasks.empty() && records.actions.empty() && records.workers.empty() &&
         records.requests.empty() && records.sweeps.empty() && records.discarded.empty() && records.logs.empty() &&
         records.next_worker == Records().next_worker && records.token_floor == Records().token_floor;
}

// What makes the records where there are none.
std::vector<Change> ChangesThatMake(Records records) {
  std::vector<Change> changes;
  for (RunRecord& run : records.runs) changes.push_back(PutRun{std::move(run)});
  for (auto& [run, tasks] : records.run_tasks) changes.push_back(PutRunTasks{run, std::move(tasks)});
  for (TaskRecord& task : records.tasks) changes.push_back(PutTask{.task = std::move(task), .is_new = true});
  for (ActionRecord& action : records.actions) changes.push_back(PutAction{std::move(action)});
  for (DiscardedRecord& discarded : records.discarded) changes.push_back(PutDiscarded{std::move(discarded)});
  for (WorkerRecord& worker : records.workers) changes.push_back(PutWorker{std::move(worker)});
  for (RequestRecord& request : records.requests) changes.push_back(PutRequest{std::move(request)});
  for (SweepRecord& sweep : records.sweeps) {
    std::vector<RungResult> results = std::move(sweep.rung_results);
    sweep.rung_results.clear();
    const SweepId id = sweep.id;
    changes.push_back(PutSweep{std::move(sweep)});
    int64_t number = 0;
    for (RungResult& result : results) changes.push_back(AppendRungResult{id, number++, std::move(result)});
  }
  for (LogRecord& line : records.logs) changes.push_back(AppendLog{.line = std::move(line)});
  changes.push_back(PutNextWorker{records.next_worker});
  changes.push_back(PutTokenFloor{records.token_floor});
  return changes;
}

}  // namespace

StatusOr<CopiedCounts> CopyStore(Store& from, Store& to) {
  LWQ_ASSIGN_OR_RETURN(Records records, from.Load());
  if (IsEmpty(records)) {
    return absl::FailedPreconditionError(absl::StrCat(from.Describe(), " has no records: there is nothing to copy"));
  }
  LWQ_ASSIGN_OR_RETURN(const Term term, to.TakeTerm());
  LWQ_ASSIGN_OR_RETURN(const Records there, to.Load());
  if (!IsEmpty(there)) {
    return absl::FailedPreconditionError(
        absl::StrCat(to.Describe(), " has records already: copy into one that is new"));
  }
  const CopiedCounts counts{.runs = records.runs.size(),
                            .sweeps = records.sweeps.size(),
                            .tasks = records.tasks.size(),
                            .results = records.actions.size(),
                            .workers = records.workers.size(),
                            .log_lines = records.logs.size()};
  LWQ_RETURN_IF_ERROR(to.Commit(term, ChangesThatMake(std::move(records))));
  return counts;
}

}  // namespace lwq::coordinator
