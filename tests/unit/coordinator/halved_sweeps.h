// SPDX-License-Identifier: Apache-2.0
// Sweeps with halving for tests: arms that differ in a learning rate, and workers whose losses are given by the arm.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/scheduler/state/events.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator::testing {

// The validation loss of a block that an arm has trained.
using ArmLoss = std::function<double(int64_t arm, int64_t block)>;

// Arm i of a model with so many blocks: its quant_lr is (i + 1)/1024, and all else is that of every other.
RunSpec ArmSpec(int64_t arm, int blocks);

SubmitSweep HalvedSweep(int64_t arms, int blocks, const SweepHalving& halving, const std::string& request_id = "");

// min_blocks 1, synchronous, block_loss.
SweepHalving HalvingBy(int64_t eta);

// CHECK that it is accepted.
SweepId AcceptedSweep(SchedulerHarness& harness, const SubmitSweep& sweep);
std::vector<RunId> MembersOf(const SchedulerHarness& harness, const SweepId& id);
std::vector<RunState> StatesOf(const SchedulerHarness& harness, const SweepId& id);

// What the lease reports where block losses are those of the arms.
ReportSuccess SuccessByArm(const Lease& lease, const ArmLoss& loss);
// Leases and succeeds until nothing is ready; the titles in the order of execution.
std::vector<std::string> RunArmsToEnd(SchedulerHarness& harness, const WorkerId& worker, const ArmLoss& loss);
Status SucceedByArm(SchedulerHarness& harness, const WorkerId& worker, const Lease& lease, const ArmLoss& loss);

}  // namespace lwq::coordinator::testing
