// SPDX-License-Identifier: Apache-2.0
// Which failures are tried again, how often and when: one table, tested row by row.
//
//   cause            tries again        waits                 because
//   TASK             no                 –                     the same again would fail again
//   DIVERGED         recipe's number    –                     with half the learning rates: another action
//   MEMORY           2                  1 s, 2 s              a neighbour on the machine may have taken it
//   INFRASTRUCTURE   5                  0.5 s … 8 s           nothing to do with the task
//   INPUT_LOST       5 + its inputs     for the producer      which runs again first; one lost input is seen at a time
//   LEASE_LOST       16                 –                     processes may be killed often; a task that kills its
//                                                             workers must still end: on its sixth device
//   DEVICE           2                  1 s, 2 s              it may be the device's: where there are others, three try
//   it
//
// Each cause has its own budget, so that lost workers never use up the tries that a real failure has. A task that is
// given back (drain) spends nothing. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lwq::coordinator {

enum class FailureCause { kTask, kDiverged, kMemory, kInfrastructure, kInputLost, kLeaseLost, kDevice };
inline constexpr int kFailureCauses = 7;

// "TASK", "DIVERGED", … as in the proto.
std::string_view FailureCauseName(FailureCause cause);

enum class RetryAction {
  kGiveUp,
  kAgain,               // after delay_ms
  kAfterInput,          // when its input has been made again
  kHalvedLearningRate,  // at once, as another action
};

struct RetryDecision {
  RetryAction action = RetryAction::kGiveUp;
  int64_t delay_ms = 0;
};

struct RetryLimits {
  int divergence_retries = 0;  // the recipe's
  int inputs = 0;              // of the task: each may be lost, and only one is noticed at a time
};

// Whether it may be the device's that executed the task, not the task's: another device might not fail.
bool MayBeTheDevices(FailureCause cause);

// `failures` counts this cause's failures of the task, this one included (≥ 1); `devices` on how many different ones it
// has failed, as far as that is known.
RetryDecision DecideRetry(FailureCause cause, int failures, size_t devices, const RetryLimits& limits);

}  // namespace lwq::coordinator
