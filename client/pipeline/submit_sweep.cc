// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/submit_sweep.h"

namespace lwq::client {

lwqat::v1::SweepSpec SpecOfSweep(const std::string& name, const std::vector<SweepArm>& arms, const RunSpecs& specs) {
  LWQ_CHECK(arms.size() == specs.size(), "sweep ", name, " has ", arms.size(), " arms and ", specs.size(), " runs");
  lwqat::v1::SweepSpec sweep;
  sweep.set_name(name);
  for (size_t i = 0; i < arms.size(); ++i) {
    lwqat::v1::SweepRun* run = sweep.add_runs();
    *run->mutable_spec() = specs[i];
    for (const auto& [key, label] : arms[i].labels) (*run->mutable_labels())[key] = label;
  }
  return sweep;
}

StatusOr<SubmittedSweep> SubmitSweepAnew(RunApi* api, const lwqat::v1::SweepSpec& spec) {
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Sweep sweep, api->SubmitSweep(spec, NewRequestId()));
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
