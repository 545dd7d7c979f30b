// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/reporting/sample_sweep.h"

#include "tests/unit/reporting/sample_runs.h"

namespace lwq::test {

using lwqat::v1::Task;
using reporting::SweepRun;
using reporting::SweepRuns;

SweepRun ArmRun(const std::string& method, int bits, const std::string& seed, double perplexity) {
  SweepRun entry;
  entry.labels = {{"method", method}, {"wbits", std::to_string(bits)}};
  if (!seed.empty()) entry.labels["seed"] = seed;
  lwqat::v1::Run& run = entry.run;
  const std::string name = method + " " + std::to_string(bits) + (seed.empty() ? "" : " seed " + seed);
  run.set_id("id of " + name);
  run.set_state(lwqat::v1::RUN_STATE_SUCCEEDED);
  run.mutable_submitted_at()->set_seconds(1'700'000'000);
  run.mutable_finished_at()->set_seconds(1'700'000'060);
  run.mutable_spec()->set_name(name);
  run.mutable_spec()->mutable_model()->set_name("tiny");
  run.mutable_spec()->mutable_model()->mutable_files()->set_digest(std::string(64, 'a'));
  auto* plan = run.mutable_plan();
  plan->mutable_recipe()->set_method(method);
  plan->mutable_recipe()->set_group_size(128);
  plan->add_blocks();
  plan->set_average_bits(bits);
  plan->set_stored_bits_per_weight(bits + 0.25);
  run.set_export_bytes(1'000'000 * bits);
  run.set_result_digest(std::string(64, 'd'));
  AddMeasured(method, "perplexity", perplexity, 1000, &run);
  Task& shared = *run.add_tasks() = MakeTask("tokens", -1, lwqat::v1::TASK_STATE_SUCCEEDED);
  shared.set_seconds(4);
  shared.set_worker("worker-1");
  Task& own = *run.add_tasks() =
      MakeTask(method == "rtn" ? "rtn_block" : "train_block", 0, lwqat::v1::TASK_STATE_SUCCEEDED);
  own.set_key("key of " + name);
  own.set_seconds(method == "rtn" ? 1 : 10);
  own.set_worker("worker-1");
  return entry;
}

SweepRuns SampleSweep() {
  SweepRuns sweep{.name = "sample", .runs = {}};
  sweep.runs = {ArmRun("rtn", 2, "", 8), ArmRun("rtn", 3, "", 2.5)};
  const double at2[] = {1.9, 2.0, 2.1};
  const double at3[] = {1.45, 1.5, 1.55};
  for (int seed = 1; seed <= 3; ++seed) {
    sweep.runs.push_back(ArmRun("block_ap", 2, std::to_string(seed), at2[seed - 1]));
  }
  for (int seed = 1; seed <= 3; ++seed) {
    sweep.runs.push_back(ArmRun("block_ap", 3, std::to_string(seed), at3[seed - 1]));
  }
  return sweep;
}

}  // namespace lwq::test
