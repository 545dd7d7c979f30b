// New runs: alone, and several of which all are accepted or none.
#include <utility>

#include "coordinator/scheduler/stepper.h"

namespace lwq::coordinator {

Status Stepper::On(const SubmitRun& event) {
  LWQ_ASSIGN_OR_RETURN(PreparedRun prepared, PrepareRun(event.spec));
  LWQ_RETURN_IF_ERROR(Admit(state_, event.request_id, prepared));
  effects_.reply = RunReply{Accept(event, std::move(prepared))};
  return absl::OkStatus();
}

Status Stepper::On(const SubmitRuns& event) {
  const std::vector<SubmitRun>& runs = event.runs;
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  // Nothing changes before all of them have passed.
  std::vector<PreparedRun> prepared;
  prepared.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    StatusOr<PreparedRun> one = PrepareRun(runs[i].spec);
    if (one.ok()) {
      prepared.push_back(*std::move(one));
      const Status admitted = Admit(state_, runs[i].request_id, prepared.back());
      if (!admitted.ok()) one = admitted;
    }
    if (!one.ok()) return OfRun(one.status(), i, runs.size(), runs[i].spec.name);
  }
  RunsReply reply;
  reply.runs.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) reply.runs.push_back(Accept(runs[i], std::move(prepared[i])));
  effects_.reply = std::move(reply);
  return absl::OkStatus();
}

RunId Stepper::Accept(const SubmitRun& submission, PreparedRun prepared) {
  const StatusOr<std::optional<RunId>> before =
      SubmittedBefore(state_, submission.request_id, prepared.spec_digest);
  LWQ_CHECK(before.ok(), MessageOf(before.status()));
  if (before->has_value()) return **before;
  // Those accepted before it in this step may have changed which class it is given, but not whether it has one.
  const StatusOr<std::optional<ChosenClasses>> chosen = ChooseClasses(state_, prepared.resolved);
  LWQ_CHECK(chosen.ok(), MessageOf(chosen.status()));

  RunEntry run;
  run.record.sequence = state_.next_run_sequence++;
  do {
    run.record.id.value = DigestOf(absl::StrCat(run.record.sequence, "|", now_.unix_ms, "|",
                                                prepared.spec_digest.hex(), "|", run.record.id.value))
                              .short_hex();
  } while (state_.runs.contains(run.record.id));
  run.record.submitted_unix_ms = now_.unix_ms;
  run.record.recipe = prepared.resolved.recipe;
  run.record.spec = std::make_shared<const RunSpec>(std::move(prepared.resolved.spec));
  run.model = prepared.resolved.model;
  run.plan = std::move(prepared.plan);
  const RunId id = run.record.id;
  state_.runs_by_sequence[run.record.sequence] = id;
  RunEntry& entry = state_.runs.emplace(id, std::move(run)).first->second;
  if (!submission.request_id.empty()) {
    const RequestRecord record{submission.request_id, prepared.spec_digest, id};
    state_.requests[submission.request_id] = record;
    effects_.changes.push_back(PutRequest{record});
  }
  LogRun(entry, "", "", absl::StrCat("run ", id.value, " submitted"));
  for (const std::string& line : entry.plan.chosen_defaults) LogRun(entry, "", "", line);
  if (chosen->has_value()) {
    StartRun(entry, **chosen);
  } else {
    state_.pending_runs.insert(entry.record.sequence);
    SaveRun(entry);
  }
  return id;
}

}  // namespace lwq::coordinator
