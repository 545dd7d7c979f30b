// SPDX-License-Identifier: Apache-2.0
// New runs: alone, and several of which all are accepted or none.
#include <span>
#include <utility>

#include "coordinator/scheduler/step/halved_sweep.h"
#include "coordinator/scheduler/step/stepper.h"

namespace lwq::coordinator {

namespace {

StatusOr<std::shared_ptr<const PreparedRun>> PreparedOf(const SubmitRun& submission) {
  if (submission.prepared != nullptr) return submission.prepared;
  LWQ_ASSIGN_OR_RETURN(PreparedRun prepared, PrepareRun(submission.spec));
  return std::make_shared<const PreparedRun>(std::move(prepared));
}

}  // namespace

Status Stepper::On(const SubmitRun& event) {
  LWQ_ASSIGN_OR_RETURN(const std::shared_ptr<const PreparedRun> prepared, PreparedOf(event));
  LWQ_RETURN_IF_ERROR(Admit(state_, event.request_id, *prepared));
  const RunSpec* const spec = &prepared->resolved.spec;
  LWQ_RETURN_IF_ERROR(CheckInputs(state_, state_.inputs, std::span(&spec, 1)));
  effects_.reply = RunReply{Accept(event, *prepared)};
  return absl::OkStatus();
}

StatusOr<std::vector<std::shared_ptr<const PreparedRun>>> Stepper::AdmitAll(const std::vector<SubmitRun>& runs) const {
  LWQ_RETURN_IF_ERROR(CheckTogether(runs));
  std::vector<std::shared_ptr<const PreparedRun>> prepared;
  prepared.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    StatusOr<std::shared_ptr<const PreparedRun>> one = PreparedOf(runs[i]);
    const Status admitted = one.ok() ? Admit(state_, runs[i].request_id, **one) : one.status();
    if (!admitted.ok()) return OfRun(admitted, i, runs.size(), runs[i].spec.name);
    prepared.push_back(*std::move(one));
  }
  std::vector<const RunSpec*> specs;
  for (const auto& one : prepared) specs.push_back(&one->resolved.spec);
  LWQ_RETURN_IF_ERROR(CheckInputs(state_, state_.inputs, specs));
  return prepared;
}

Status Stepper::On(const SubmitRuns& event) {
  LWQ_ASSIGN_OR_RETURN(const auto prepared, AdmitAll(event.runs));
  RunsReply reply;
  reply.runs.reserve(event.runs.size());
  for (size_t i = 0; i < event.runs.size(); ++i) reply.runs.push_back(Accept(event.runs[i], *prepared[i]));
  effects_.reply = std::move(reply);
  return absl::OkStatus();
}

Status Stepper::On(const SubmitSweep& event) {
  if (event.halving.has_value() && !IsResolved(*event.halving)) {
    SubmitSweep resolved = event;
    LWQ_RETURN_IF_ERROR(ResolveHalving(resolved.runs, *resolved.halving));
    return On(resolved);
  }
  LWQ_ASSIGN_OR_RETURN(const auto prepared, AdmitAll(event.runs));
  LWQ_RETURN_IF_ERROR(CheckSweep(event));
  if (event.halving.has_value()) {
    std::vector<const ResolvedSpec*> resolved;
    for (const auto& run : prepared) resolved.push_back(&run->resolved);
    LWQ_RETURN_IF_ERROR(CheckHalved(*event.halving, resolved));
  }
  const Digest spec_digest = DigestOfSweep(event, prepared);
  LWQ_ASSIGN_OR_RETURN(const std::optional<SweepId> before, SweptBefore(state_, event.request_id, spec_digest));
  if (before.has_value()) {
    effects_.reply = SweepReply{*before};
    return absl::OkStatus();
  }
  SweepRecord sweep{.id = {},
                    .sequence = state_.next_sweep_sequence,
                    .name = event.name,
                    .request_id = event.request_id,
                    .spec_digest = spec_digest,
                    .submitted_unix_ms = now_.unix_ms,
                    .members = {},
                    .halving = event.halving};
  do {
    sweep.id.value =
        DigestOf(absl::StrCat("sweep|", sweep.sequence, "|", now_.unix_ms, "|", spec_digest.hex(), "|", sweep.id.value))
            .short_hex();
  } while (state_.sweeps.contains(sweep.id));
  const int64_t first_blocks = event.halving.has_value() ? RungBlocks(event.halving->rule).front() : kAllBlocks;
  for (size_t i = 0; i < event.runs.size(); ++i) {
    sweep.members.push_back(
        {.run = Accept({event.runs[i].spec, "", nullptr, event.runs[i].trace}, *prepared[i], first_blocks),
         .labels = event.labels[i],
         .place = static_cast<int64_t>(i)});
  }
  effects_.changes.push_back(PutSweep{sweep});
  effects_.reply = SweepReply{sweep.id};
  IndexSweep(state_, std::move(sweep));
  return absl::OkStatus();
}

RunId Stepper::Accept(const SubmitRun& submission, const PreparedRun& prepared, int64_t promoted_blocks) {
  const StatusOr<std::optional<RunId>> before = SubmittedBefore(state_, submission.request_id, prepared.spec_digest);
  LWQ_CHECK(before.ok(), MessageOf(before.status()));
  if (before->has_value()) return **before;
  // Those accepted before it in this step may have changed which class it is given, but not whether it has one.
  const StatusOr<std::optional<ChosenClasses>> chosen = ChooseClasses(state_, prepared.resolved);
  LWQ_CHECK(chosen.ok(), MessageOf(chosen.status()));

  RunEntry run;
  run.record.sequence = state_.next_run_sequence++;
  do {
    run.record.id.value = DigestOf(absl::StrCat(run.record.sequence, "|", now_.unix_ms, "|", prepared.spec_digest.hex(),
                                                "|", run.record.id.value))
                              .short_hex();
  } while (state_.runs.contains(run.record.id));
  run.record.submitted_unix_ms = now_.unix_ms;
  run.record.trace = submission.trace;
  run.record.recipe = prepared.resolved.recipe;
  run.record.spec = std::make_shared<const RunSpec>(prepared.resolved.spec);
  state_.inputs.Add(*run.record.spec);
  run.model = prepared.resolved.model;
  run.plan = prepared.plan;
  run.promoted_blocks = promoted_blocks;
  const RunId id = run.record.id;
  state_.runs_by_sequence[run.record.sequence] = id;
  RunEntry& entry = state_.runs.emplace(id, std::move(run)).first->second;
  if (!submission.request_id.empty()) {
    const RequestRecord record{submission.request_id, prepared.spec_digest, id};
    state_.requests[submission.request_id] = record;
    entry.request_id = submission.request_id;
    effects_.changes.push_back(PutRequest{record});
  }
  LogRun(entry, "", "", absl::StrCat("run ", id.value, " submitted"));
  for (const std::string& line : entry.plan.chosen_defaults) LogRun(entry, "", "", line);
  if (chosen->has_value()) {
    const bool begun = prepared.start.has_value() && prepared.start->chosen == **chosen;
    StartRun(entry, **chosen, begun ? &prepared.start->graph : nullptr);
  } else {
    state_.pending_runs.insert(entry.record.sequence);
    SaveRun(entry);
  }
  return id;
}

}  // namespace lwq::coordinator
