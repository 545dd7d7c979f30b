// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/submit_sweep.h"

namespace lwq::client {

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
