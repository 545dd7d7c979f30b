// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/retry.h"

#include <algorithm>

namespace lwq::coordinator {
namespace {

struct Rule {
  int retries;
  int64_t first_delay_ms;  // doubles with every failure
  int64_t max_delay_ms;
  RetryAction action;
  size_t devices = SIZE_MAX;  // on as many it gives up
};

Rule RuleOf(FailureCause cause, const RetryLimits& limits) {
  switch (cause) {
    case FailureCause::kTask:
      return {0, 0, 0, RetryAction::kGiveUp};
    case FailureCause::kDiverged:
      return {limits.divergence_retries, 0, 0, RetryAction::kHalvedLearningRate};
    case FailureCause::kMemory:
      return {2, 1000, 2000, RetryAction::kAgain};
    case FailureCause::kInfrastructure:
      return {5, 500, 8000, RetryAction::kAgain};
    case FailureCause::kInputLost:
      return {5 + limits.inputs, 0, 0, RetryAction::kAfterInput};
    case FailureCause::kLeaseLost:
      return {16, 0, 0, RetryAction::kAgain, 6};
    case FailureCause::kDevice:
      return {2, 1000, 2000, RetryAction::kAgain};
  }
  return {0, 0, 0, RetryAction::kGiveUp};
}

}  // namespace

std::string_view FailureCauseName(FailureCause cause) {
  switch (cause) {
    case FailureCause::kTask:
      return "TASK";
    case FailureCause::kDiverged:
      return "DIVERGED";
    case FailureCause::kMemory:
      return "MEMORY";
    case FailureCause::kInfrastructure:
      return "INFRASTRUCTURE";
    case FailureCause::kInputLost:
      return "INPUT_LOST";
    case FailureCause::kLeaseLost:
      return "LEASE_LOST";
    case FailureCause::kDevice:
      return "DEVICE";
  }
  return "UNKNOWN";
}

bool MayBeTheDevices(FailureCause cause) {
  switch (cause) {
    case FailureCause::kMemory:
    case FailureCause::kInfrastructure:
    case FailureCause::kLeaseLost:
    case FailureCause::kDevice:
      return true;
    case FailureCause::kTask:
    case FailureCause::kDiverged:
    case FailureCause::kInputLost:
      return false;
  }
  return false;
}

RetryDecision DecideRetry(FailureCause cause, int failures, size_t devices, const RetryLimits& limits) {
  const Rule rule = RuleOf(cause, limits);
  if (failures > rule.retries || devices >= rule.devices) return {};
  const int doublings = std::min(failures - 1, 20);
  return {rule.action, std::min(rule.first_delay_ms << doublings, rule.max_delay_ms)};
}

}  // namespace lwq::coordinator
