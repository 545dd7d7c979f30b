// SPDX-License-Identifier: Apache-2.0
// How well many runs use many workers: a small form of lwq_bench_scheduler.
#include "gtest/gtest.h"
#include "tests/unit/coordinator/devices.h"
#include "tests/unit/coordinator/virtual_fleet.h"

namespace lwq::coordinator {
namespace {

using testing::BlockApSpec;
using testing::kA10040;
using testing::kL4;
using testing::NamedArtifact;
using testing::VirtualFleet;
using testing::WorkerOn;

double Seconds(const TaskDef& def, const WorkerRecord& worker) {
  const double speed = worker.numerics_class == kL4.base ? 0.6 : 1;
  return (def.kind == TaskKind::kTrainBlock ? 60 : 2) / speed;
}

RunSpec Arm(int model, int bits, int64_t seed) {
  RunSpec spec = BlockApSpec(8);
  spec.model->files = NamedArtifact(absl::StrCat("model ", model));
  spec.recipe.wbits = bits;
  spec.recipe.seed = seed;
  return spec;
}

void SubmitArms(VirtualFleet& fleet) {
  for (int model = 0; model < 6; ++model) {
    for (const int bits : {2, 3, 4}) {
      for (const int64_t seed : {2, 3}) fleet.Submit(Arm(model, bits, seed));
    }
  }
}

TEST(MakespanTest, FewWorkersAreBusyToTheEndWithinFifteenPercent) {
  for (const int workers : {2, 6}) {
    VirtualFleet fleet({}, Seconds);
    for (int i = 0; i < workers; ++i) fleet.Add(WorkerOn(kA10040, absl::StrCat("w", i)));
    SubmitArms(fleet);
    const double makespan = fleet.RunToEnd();
    for (const auto& [id, run] : fleet.state().runs) ASSERT_EQ(run.record.state, RunState::kSucceeded);
    const double bound = fleet.busy_seconds() / workers;
    EXPECT_GE(makespan, bound * 0.999) << workers;
    EXPECT_LE(makespan, bound * 1.15) << workers;
  }
}

TEST(MakespanTest, WithWorkersEnoughARunTakesWhatItsLongestChainTakesOnTheFastestClass) {
  VirtualFleet fleet({}, Seconds);
  for (int i = 0; i < 90; ++i) fleet.Add(WorkerOn(i % 2 == 0 ? kL4 : kA10040, absl::StrCat("w", i)));
  // One run on each class tells how fast it is.
  std::vector<double> chains;
  for (const testing::Device& device : {kL4, kA10040}) {
    RunSpec first = Arm(-1, 2, 2);
    first.numerics_class = device.base;
    fleet.Submit(first);
    fleet.RunToEnd();
    chains.push_back(fleet.CriticalPathSeconds());
    fleet.ForgetTimes();
  }
  ASSERT_GT(chains[0], 1.5 * chains[1]);
  const double before = fleet.RunToEnd();
  SubmitArms(fleet);
  const double makespan = fleet.RunToEnd() - before;
  EXPECT_LE(makespan, chains[1] * 1.15);
}

}  // namespace
}  // namespace lwq::coordinator
