// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/submit_sweep.h"

#include <algorithm>
#include <set>

#include "client/base/message_bytes.h"
#include "client/base/request_id.h"
#include "common/digest/digest.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

// Of a sweep whose runs failed each time: beyond this nobody means to go on.
constexpr int kMostBeginnings = 1'000;

// False where all of it has ended and a run failed or was cancelled.
bool IsOnOrHasResults(const lwqat::v1::Sweep& sweep) {
  const auto& members = sweep.members();
  const auto is_on = [](const auto& member) { return reporting::IsActive(member.state()); };
  const auto lacks_results = [](const auto& member) {
    return member.state() == lwqat::v1::RUN_STATE_FAILED || member.state() == lwqat::v1::RUN_STATE_CANCELLED;
  };
  return std::any_of(members.begin(), members.end(), is_on) ||
         std::none_of(members.begin(), members.end(), lacks_results);
}

}  // namespace

lwqat::v1::SweepSpec SpecOfSweep(const SweepRuns& sweep, const RunSpecs& specs) {
  const std::vector<SweepArm>& arms = sweep.arms;
  LWQ_CHECK(arms.size() == specs.size(), "sweep ", sweep.name, " has ", arms.size(), " arms and ", specs.size(),
            " runs");
  lwqat::v1::SweepSpec spec;
  spec.set_name(sweep.name);
  for (size_t i = 0; i < arms.size(); ++i) {
    lwqat::v1::SweepRun* run = spec.add_runs();
    *run->mutable_spec() = specs[i];
    for (const auto& [key, label] : arms[i].labels) (*run->mutable_labels())[key] = label;
  }
  if (sweep.halving.has_value()) *spec.mutable_halving() = *sweep.halving;
  return spec;
}

StatusOr<SubmittedSweep> SubmitSweepAnew(RunApi* api, const lwqat::v1::SweepSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Sweep sweep, api->SubmitSweep(spec, NewRequestId()));
  return SubmittedAs(sweep, spec);
}

StatusOr<SubmittedSweep> SubmitSweepAgain(RunApi* api, const lwqat::v1::SweepSpec& spec) {
  std::set<std::string> earlier;
  LWQ_ASSIGN_OR_RETURN(const auto sweeps, api->ListSweeps(kMostBeginnings, spec.name()));
  for (const lwqat::v1::Sweep& sweep : sweeps) earlier.insert(sweep.id());
  const std::string content = DeterministicBytes(spec);
  for (int beginning = 1; beginning <= kMostBeginnings; ++beginning) {
    const std::string id = RequestIdFrom(DigestOf(absl::StrCat("lwq sweep, beginning ", beginning, "\n", content)));
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Sweep sweep, api->SubmitSweep(spec, id));
    // One that this call began is told of, even where it has failed meanwhile.
    if (!earlier.contains(sweep.id()) || IsOnOrHasResults(sweep)) return SubmittedAs(sweep, spec);
  }
  return absl::FailedPreconditionError(absl::StrCat("sweep ", spec.name(), " was begun ", kMostBeginnings,
                                                    " times and never gave all its results; lwq sweeps says why"));
}

SubmittedSweep SubmittedAs(const lwqat::v1::Sweep& sweep, const lwqat::v1::SweepSpec& spec) {
  SubmittedSweep submitted;
  submitted.id = sweep.id();
  for (int i = 0; i < sweep.members_size(); ++i) {
    lwqat::v1::Run& run = submitted.runs.emplace_back();
    run.set_id(sweep.members(i).run_id());
    run.set_sweep_id(sweep.id());
    run.set_state(sweep.members(i).state());
    *run.mutable_spec() = spec.runs(i).spec();
  }
  return submitted;
}

}  // namespace lwq::client
