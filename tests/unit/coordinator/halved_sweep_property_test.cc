// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a sweep with halving: its runs are where the replay of its journal has them, and it ends.
#include <algorithm>
#include <cmath>

#include "coordinator/scheduler/state/run_rungs.h"
#include "coordinator/scheduler/step/step.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/coordinator/halved_sweeps.h"

namespace lwq::coordinator {
namespace {

using testing::HalvedSweep;
using testing::SchedulerHarness;

struct Drawn {
  SubmitSweep sweep;
  int64_t arms = 0;
  std::vector<double> losses;  // by arm and block; few values, so that many are equal
  int blocks = 0;
};

Drawn DrawSweep() {
  Drawn drawn;
  drawn.arms = *rc::gen::inRange<int64_t>(1, 7);
  drawn.blocks = *rc::gen::inRange(1, 6);
  SweepHalving halving;
  halving.metric = *rc::gen::element(HalvingMetric::kBlockLoss, HalvingMetric::kPerplexity);
  halving.rule.order = *rc::gen::element(HalvingOrder::kSynchronous, HalvingOrder::kAsynchronous);
  halving.rule.min_blocks = *rc::gen::inRange<int64_t>(1, drawn.blocks + 1);
  halving.rule.eta = *rc::gen::inRange<int64_t>(2, 4);
  drawn.sweep = HalvedSweep(drawn.arms, drawn.blocks, halving);
  if (halving.metric == HalvingMetric::kPerplexity) {
    for (SubmitRun& run : drawn.sweep.runs) {
      run.spec.recipe.handoff = *rc::gen::element<std::string>("sequential", "independent", "relay");
      run.spec.recipe.layer_ordering = *rc::gen::element<std::string>("original", "random");
    }
  }
  for (int64_t i = 0; i < drawn.arms * drawn.blocks; ++i) {
    drawn.losses.push_back(*rc::gen::inRange(0, 8) == 0 ? std::nan("") : *rc::gen::inRange(0, 6));
  }
  return drawn;
}

double LossOf(const Drawn& drawn, int64_t arm, int64_t block) {
  return drawn.losses[static_cast<size_t>(arm * drawn.blocks + block)];
}

// One thing that may happen; whatever was leased and not answered stays in `leased`.
void Happen(const Drawn& drawn, const SweepId& id, SchedulerHarness& harness, std::vector<WorkerId>& workers,
            std::map<WorkerId, Lease>& leased) {
  const WorkerId worker = workers[static_cast<size_t>(*rc::gen::inRange<size_t>(0, workers.size()))];
  const RunId run = testing::MembersOf(harness, id)[*rc::gen::inRange<size_t>(0, static_cast<size_t>(drawn.arms))];
  const auto loss = [&](int64_t arm, int64_t block) { return LossOf(drawn, arm, block); };
  const int what = *rc::gen::inRange(0, 100);
  if (what < 85) {
    const auto held = leased.find(worker);
    if (held == leased.end()) {
      if (const std::optional<Lease> lease = harness.LeaseTo(worker)) leased.emplace(worker, *lease);
      return;
    }
    const Lease lease = held->second;
    leased.erase(held);
    // A report on what was taken away meanwhile is refused.
    if (*rc::gen::inRange(0, 30) == 0) {
      harness.Fail(worker, lease, FailureCause::kTask).IgnoreError();
    } else {
      testing::SucceedByArm(harness, worker, lease, loss).IgnoreError();
    }
  } else if (what < 89) {
    harness.Restart();
  } else if (what < 91) {
    RC_ASSERT(harness.Do(PauseRun{run.value, true}).status.ok());
  } else if (what < 93) {
    RC_ASSERT(harness.Do(PauseRun{run.value, false}).status.ok());  // leaves the halving where it was stopped
  } else if (what < 95) {
    RC_ASSERT(harness.Do(PauseSweep{id.value, *rc::gen::arbitrary<bool>()}).status.ok());
  } else if (what < 96) {
    RC_ASSERT(harness.Do(CancelRun{run.value}).status.ok());
  } else {
    harness.Advance(100);
  }
}

RC_GTEST_PROP(HalvedSweepProperty, WhateverHappensRunsAreWhereTheReplayOfTheJournalHasThem, ()) {
  const Drawn drawn = DrawSweep();
  SchedulerHarness harness;
  std::vector<WorkerId> workers = {harness.Register("a"), harness.Register("b")};
  const SweepId id = testing::AcceptedSweep(harness, drawn.sweep);
  std::map<WorkerId, Lease> leased;
  const int steps = *rc::gen::inRange(0, 150);
  for (int step = 0; step < steps; ++step) {
    Happen(drawn, id, harness, workers, leased);
    const std::string wrong = testing::CheckIndexes(harness.state());
    RC_ASSERT(wrong == "");
  }
  // Nothing more goes wrong: everything ends, and nothing of what was decided changes.
  const std::vector<RungResult> journal = harness.state().sweeps.at(id).rung_results;
  RC_ASSERT(harness.Do(PauseSweep{id.value, false}).status.ok());
  for (const auto& [worker, lease] : leased) {
    testing::SucceedByArm(harness, worker, lease, [&](int64_t arm, int64_t block) {
      return LossOf(drawn, arm, block);
    }).IgnoreError();
  }
  testing::RunArmsToEnd(harness, workers[0], [&](int64_t arm, int64_t block) { return LossOf(drawn, arm, block); });
  const std::vector<RungResult>& after = harness.state().sweeps.at(id).rung_results;
  RC_ASSERT(after.size() >= journal.size());
  for (size_t i = 0; i < journal.size(); ++i) {
    RC_ASSERT(after[i].run == journal[i].run && after[i].rung == journal[i].rung);
    RC_ASSERT(after[i].value == journal[i].value || (std::isnan(after[i].value) && std::isnan(journal[i].value)));
  }
  RC_ASSERT(harness.state().halvings.at(id).ended());
  for (const RunId& run : testing::MembersOf(harness, id)) RC_ASSERT(HasEnded(harness.state(), harness.run(run)));
  RC_ASSERT(testing::CheckIndexes(harness.state()) == "");
}

// Synchronously what is promoted does not depend on who executes what when, nor on restarts.
RC_GTEST_PROP(HalvedSweepProperty, ASynchronousSweepPromotesTheSameRunsInWhateverOrderTheyAreExecuted, ()) {
  Drawn drawn = DrawSweep();
  drawn.sweep.halving->rule.order = HalvingOrder::kSynchronous;
  const auto play = [&](bool disturbed) {
    SchedulerHarness harness;
    std::vector<WorkerId> workers = {harness.Register("a"), harness.Register("b"), harness.Register("c")};
    const SweepId id = testing::AcceptedSweep(harness, drawn.sweep);
    std::map<WorkerId, Lease> leased;
    const auto loss = [&](int64_t arm, int64_t block) { return LossOf(drawn, arm, block); };
    for (int step = 0; disturbed && step < 200; ++step) {
      if (*rc::gen::inRange(0, 12) == 0) harness.Restart();
      const WorkerId worker = workers[*rc::gen::inRange<size_t>(0, workers.size())];
      const auto held = leased.find(worker);
      if (held == leased.end()) {
        if (const std::optional<Lease> lease = harness.LeaseTo(worker)) leased.emplace(worker, *lease);
        continue;
      }
      testing::SucceedByArm(harness, worker, held->second, loss).IgnoreError();
      leased.erase(held);
    }
    for (const auto& [worker, lease] : leased) testing::SucceedByArm(harness, worker, lease, loss).IgnoreError();
    testing::RunArmsToEnd(harness, workers[0], loss);
    std::vector<std::pair<int64_t, int64_t>> reached;  // run, rung
    for (const RungResult& result : harness.state().sweeps.at(id).rung_results) {
      reached.emplace_back(result.run, result.rung);
    }
    std::sort(reached.begin(), reached.end());
    return std::pair(testing::StatesOf(harness, id), reached);
  };
  RC_ASSERT(play(false) == play(true));
}

}  // namespace
}  // namespace lwq::coordinator
