// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/coordinator/halved_sweeps.h"

#include <cmath>

#include "common/json/json.h"
#include "common/task/task_params.h"

namespace lwq::coordinator::testing {
namespace {

constexpr double kArmStep = 1.0 / 1024;

int64_t ArmOf(double quant_lr) {
  return std::llround(quant_lr / kArmStep) - 1;
}

}  // namespace

RunSpec ArmSpec(int64_t arm, int blocks) {
  RunSpec spec = BlockApSpec(blocks);
  spec.name = absl::StrCat("arm ", arm);
  spec.recipe.quant_lr = static_cast<double>(arm + 1) * kArmStep;
  return spec;
}

SubmitSweep HalvedSweep(int64_t arms, int blocks, const SweepHalving& halving, const std::string& request_id) {
  SubmitSweep sweep{.name = "halved", .runs = {}, .labels = {}, .request_id = request_id, .halving = halving};
  for (int64_t arm = 0; arm < arms; ++arm) {
    sweep.runs.push_back({ArmSpec(arm, blocks), ""});
    sweep.labels.push_back({{"arm", absl::StrCat(arm)}});
  }
  return sweep;
}

SweepHalving HalvingBy(int64_t eta) {
  return {.metric = HalvingMetric::kBlockLoss, .rule = {.min_blocks = 1, .eta = eta}};
}

SweepId AcceptedSweep(SchedulerHarness& harness, const SubmitSweep& sweep) {
  const Effects effects = harness.Do(sweep);
  LWQ_CHECK(effects.status.ok(), effects.status.ToString());
  return std::get<SweepReply>(effects.reply).sweep;
}

std::vector<RunId> MembersOf(const SchedulerHarness& harness, const SweepId& id) {
  std::vector<RunId> runs;
  for (const SweepRecord::Member& member : harness.state().sweeps.at(id).members) runs.push_back(member.run);
  return runs;
}

std::vector<RunState> StatesOf(const SchedulerHarness& harness, const SweepId& id) {
  std::vector<RunState> states;
  for (const RunId& run : MembersOf(harness, id)) states.push_back(harness.run(run).record.state);
  return states;
}

ReportSuccess SuccessByArm(const Lease& lease, const ArmLoss& loss) {
  ReportSuccess success = HonestSuccess(lease);
  if (lease.def->kind == TaskKind::kTrainBlock) {
    const auto params = TrainBlockParams::FromJson(lease.def->params);
    LWQ_CHECK(params.ok(), params.status().ToString());
    const double value = loss(ArmOf(params->quant_lr), params->block);
    success.metrics_json = CanonicalJson(Json{{"best_val_loss", std::isfinite(value) ? Json(value) : Json()}});
  }
  return success;
}

Status SucceedByArm(SchedulerHarness& harness, const WorkerId& worker, const Lease& lease, const ArmLoss& loss) {
  ReportTask report;
  report.worker = worker;
  report.task = lease.task;
  report.token = lease.token;
  report.outcome = SuccessByArm(lease, loss);
  return harness.Do(report).status;
}

std::vector<std::string> RunArmsToEnd(SchedulerHarness& harness, const WorkerId& worker, const ArmLoss& loss) {
  std::vector<std::string> titles;
  while (const std::optional<Lease> lease = harness.LeaseTo(worker)) {
    titles.push_back(lease->title);
    const Status status = SucceedByArm(harness, worker, *lease, loss);
    LWQ_CHECK(status.ok(), status.ToString());
  }
  return titles;
}

}  // namespace lwq::coordinator::testing
