// SPDX-License-Identifier: Apache-2.0
// Whatever the order of things: one bad task quarantines nobody, and one bad device nobody but itself.
#include "coordinator/scheduler/state/device_health.h"

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace lwq::coordinator {
namespace {

constexpr TaskKind kKinds[] = {TaskKind::kTrainBlock, TaskKind::kAdvance, TaskKind::kExport};
constexpr FailureCause kCauses[] = {FailureCause::kDevice, FailureCause::kMemory, FailureCause::kInfrastructure,
                                    FailureCause::kLeaseLost};

RC_GTEST_PROP(DeviceHealthProperty, OneBadTaskQuarantinesNoDevice, ()) {
  DeviceHealth health;
  health.Configure(1000);
  const int devices = *rc::gen::inRange(1, 6);
  const int steps = *rc::gen::inRange(1, 60);
  const Digest bad = DigestOf("bad");
  for (int step = 0; step < steps; ++step) {
    const std::string device = absl::StrCat("d", *rc::gen::inRange(0, devices));
    const TaskKind kind = kKinds[*rc::gen::inRange(0, 3)];
    const int64_t run = *rc::gen::inRange(0, 3);
    std::vector<std::string> quarantined;
    if (*rc::gen::arbitrary<bool>()) {
      const FailureCause cause = kCauses[*rc::gen::inRange(0, 4)];
      quarantined = health.Failed(device, {bad, run, TaskKind::kTrainBlock, cause, ""}, step);
    } else {
      quarantined = health.Succeeded(device, DigestOf(absl::StrCat("good ", step)), kind, step);
    }
    RC_ASSERT(quarantined.empty());
    if (*rc::gen::inRange(0, 10) == 0) health.Forget(bad);
  }
}

RC_GTEST_PROP(DeviceHealthProperty, OneBadDeviceIsFoundAfterThreeTasksAndNoOtherIsSuspected, ()) {
  DeviceHealth health;
  health.Configure(1000);
  const int good = *rc::gen::inRange(1, 5);
  const int tasks = *rc::gen::inRange(3, 30);
  int failed = 0;
  bool found = false;
  for (int number = 0; number < tasks; ++number) {
    const Digest task = DigestOf(absl::StrCat(number));
    const TaskKind kind = kKinds[*rc::gen::inRange(0, 3)];
    const int64_t run = *rc::gen::inRange(0, 3);
    if (!found && *rc::gen::arbitrary<bool>()) {
      ++failed;
      const FailureCause cause = kCauses[*rc::gen::inRange(0, 4)];
      const auto quarantined = health.Failed("bad", {task, run, kind, cause, ""}, number);
      RC_ASSERT(quarantined.empty() || quarantined == std::vector<std::string>{"bad"});
    }
    const auto quarantined = health.Succeeded(absl::StrCat("good ", *rc::gen::inRange(0, good)), task, kind, number);
    RC_ASSERT(quarantined.empty() || quarantined == std::vector<std::string>{"bad"});
    found = health.StandingOf("bad") == Standing::kQuarantined;
    RC_ASSERT(found || failed < 3);
  }
}

}  // namespace
}  // namespace lwq::coordinator
