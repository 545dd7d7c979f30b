// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/ready_queue.h"

#include "gtest/gtest.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::WorkerNamed;

const Demand kAnywhere{"", TaskKind::kNoop, 0};
ReadyQueue::Place At(const Demand& demand, const Urgency& urgency, const std::string& project = "") {
  return {demand, project, urgency};
}
Demand Asked(const std::string& numerics_class, TaskKind kind, int64_t memory_bytes) {
  TaskRecord task;
  auto def = std::make_shared<TaskDef>();
  def->kind = kind;
  def->numerics_class = numerics_class;
  task.def = def;
  task.memory_bytes = memory_bytes;
  return DemandOf(task);
}
Digest Key(int i) {
  return DigestOf(absl::StrCat("task ", i));
}

std::optional<double> Level(const std::string&) {
  return 0;
}
const ReadyQueue::Order kNothing{Level, [](const Digest&) { return false; }};

TEST(ReadyQueueTest, PriorityThenAgeOfTheRunThenDepthThenPosition) {
  ReadyQueue queue;
  const WorkerRecord worker = WorkerNamed("w");
  const auto urgency = [](int64_t priority, int64_t run, int64_t depth, int64_t position) {
    return Urgency{-priority, run, -depth, position};
  };
  const Urgency order[] = {urgency(5, 9, 1, 9), urgency(0, 1, 7, 5), urgency(0, 1, 7, 6),
                           urgency(0, 1, 2, 0), urgency(0, 2, 9, 0), urgency(-1, 0, 99, 0)};
  for (int i = 5; i >= 0; --i) queue.Insert(At(kAnywhere, order[i]), Key(i), 0);
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(queue.Best(worker, kNothing), Key(i)) << i;
    queue.Erase(At(kAnywhere, order[i]), Key(i));
  }
  EXPECT_FALSE(queue.Best(worker, kNothing).has_value());
  EXPECT_TRUE(queue.empty());
}

TEST(ReadyQueueTest, TheBestOfAllBucketsThatFitIsChosen) {
  ReadyQueue queue;
  const WorkerRecord worker = WorkerNamed("w");
  queue.Insert(At({"", TaskKind::kEmbed, 10}, {.negated_priority = -1}), Key(1), 0);
  queue.Insert(At({"", TaskKind::kTokenize, 0}, {.negated_priority = -2}), Key(2), 0);
  queue.Insert(At(Asked("other|a|b|fp32|t1", TaskKind::kAdvance, 0), {.negated_priority = -3}), Key(3), 0);
  EXPECT_EQ(queue.Best(worker, kNothing), Key(2));
}

TEST(ReadyQueueTest, EquallyUrgentTasksOfAllBucketsComeByPositionAndNoOthers) {
  ReadyQueue queue;
  const WorkerRecord worker = WorkerNamed("w");
  const Demand other{"", TaskKind::kEmbed, 5};
  const auto urgency = [](int64_t depth, int64_t position) { return Urgency{0, 1, -depth, position}; };
  EXPECT_TRUE(queue.EquallyUrgent(worker, 4, kNothing).empty());
  queue.Insert(At(other, urgency(3, 2)), Key(2), 0);
  queue.Insert(At(kAnywhere, urgency(3, 1)), Key(1), 0);
  queue.Insert(At(kAnywhere, urgency(3, 3)), Key(3), 0);
  queue.Insert(At(kAnywhere, urgency(2, 0)), Key(4), 0);
  queue.Insert(At({"", TaskKind::kEmbed, worker.memory_bytes + 1}, urgency(9, 0)), Key(5), 0);
  EXPECT_EQ(queue.EquallyUrgent(worker, 4, kNothing), (std::vector<Digest>{Key(1), Key(2), Key(3)}));
  EXPECT_EQ(queue.EquallyUrgent(worker, 2, kNothing), (std::vector<Digest>{Key(1), Key(2)}));
  const ReadyQueue::Order first{Level, [](const Digest& key) { return key == Key(1); }};
  EXPECT_EQ(queue.EquallyUrgent(worker, 4, first), (std::vector<Digest>{Key(2), Key(3)}));
  EXPECT_EQ(queue.Best(worker, first), Key(2));
  queue.Insert(At({"", TaskKind::kTokenize, 0}, urgency(4, 9)), Key(6), 0);
  EXPECT_EQ(queue.EquallyUrgent(worker, 4, kNothing), (std::vector<Digest>{Key(6)}));
  EXPECT_EQ(queue.Best(worker, kNothing), Key(6));
}

TEST(ReadyQueueTest, TheProjectThatGoesFirstIsServedWhateverTheUrgencyAndOneThatIsPassedOverIsNot) {
  ReadyQueue queue;
  const WorkerRecord worker = WorkerNamed("w");
  queue.Insert(At(kAnywhere, {.negated_priority = -9}, "behind"), Key(1), 0);
  queue.Insert(At(kAnywhere, {.position = 2}, "first"), Key(2), 0);
  queue.Insert(At({"", TaskKind::kEmbed, 5}, {.position = 1}, "first"), Key(3), 0);
  std::map<std::string, std::optional<double>> ranks = {{"behind", 2}, {"first", 1}};
  const ReadyQueue::Order order{[&](const std::string& project) { return ranks.at(project); }, kNothing.skip};
  EXPECT_EQ(queue.Best(worker, order), Key(3));
  EXPECT_EQ(queue.EquallyUrgent(worker, 4, order), (std::vector<Digest>{Key(3), Key(2)}));
  ranks["first"] = std::nullopt;
  EXPECT_EQ(queue.Best(worker, order), Key(1));
  ranks["behind"] = std::nullopt;
  EXPECT_EQ(queue.Best(worker, order), std::nullopt);
  EXPECT_TRUE(queue.EquallyUrgent(worker, 4, order).empty());
}

TEST(FitsTest, ClassMemoryThreadsAndKindsAllCount) {
  WorkerRecord worker = WorkerNamed("w", "cpu|avx512|torch");
  worker.memory_bytes = 100;
  worker.max_threads = 2;
  EXPECT_TRUE(Fits(Asked("cpu|avx512|torch|fp32|t2", TaskKind::kAdvance, 100), worker));
  EXPECT_FALSE(Fits(Asked("cpu|avx512|torch|fp32|t2", TaskKind::kAdvance, 101), worker)) << "memory";
  EXPECT_FALSE(Fits(Asked("cpu|avx512|torch|fp32|t3", TaskKind::kAdvance, 1), worker)) << "threads";
  EXPECT_FALSE(Fits(Asked("cpu|avx2|torch|fp32|t1", TaskKind::kAdvance, 1), worker)) << "class";
  EXPECT_FALSE(Fits(Asked("cpu|avx512|torch|more|fp32|t1", TaskKind::kAdvance, 1), worker)) << "a longer base";
  EXPECT_FALSE(Fits(Asked("no class at all", TaskKind::kAdvance, 1), worker));
  EXPECT_TRUE(Fits(Asked("", TaskKind::kExport, 1), worker)) << "no class fits every worker";
  worker.kinds = {TaskKind::kExport};
  EXPECT_TRUE(Fits(Asked("", TaskKind::kExport, 1), worker));
  EXPECT_FALSE(Fits(Asked("", TaskKind::kEmbed, 1), worker)) << "kinds";
}

}  // namespace
}  // namespace lwq::coordinator
