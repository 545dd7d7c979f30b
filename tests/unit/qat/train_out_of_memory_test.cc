// SPDX-License-Identifier: Apache-2.0
// Trainings that do not fit: what recomputing activations changes (memory) and what it does not (a single bit), and
// requests for memory that are refused anywhere in a training.
#include <random>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/qat/failing_allocator.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/same_outcome.h"
#include "worker/qat/api/train_block.h"
#include "worker/qat/device/cpu_allocator.h"

namespace lwq::qat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Learnt final : public LearntMemory {
 public:
  bool Recomputes(std::string_view shape) const override { return shapes.contains(std::string(shape)); }
  void DidNotFit(std::string_view shape, const Status&, int64_t step, int64_t) override {
    shapes.emplace(shape);
    steps.push_back(step);
  }

  std::set<std::string> shapes;
  std::vector<int64_t> steps;
};

// Tensors may take so much more than they do, until it ends.
class ScopedLimit {
 public:
  explicit ScopedLimit(int64_t more_bytes) {
    CpuTensorMemory().ReleaseCached();
    CpuTensorMemory().SetLimit(CpuTensorMemory().use().held_bytes + more_bytes);
  }
  ~ScopedLimit() { CpuTensorMemory().SetLimit(0); }
  ScopedLimit(const ScopedLimit&) = delete;
  ScopedLimit& operator=(const ScopedLimit&) = delete;
};

struct Case {
  std::string name;
  Shape shape;
  size_t blocks = 1;
  int64_t seqlen = 12;
  int64_t sliding_window = 0;  // 0: none
  Precision precision = Precision::kF32;
  int64_t accumulation = 1;
};

// A training of three steps, the last of them partial, and what it is trained on.
class Subject {
 public:
  explicit Subject(const Case& test_case)
      : config_(ConfigOf(test_case)),
        seqlen_(test_case.seqlen),
        unit_(UnitOf(config_, test_case.blocks)),
        data_(RandomTrainingSet(config_, unit_, 10, 2, test_case.seqlen, 6)) {
    options_.bits = 2;
    options_.group_size = 16;
    options_.quant_lr = options_.weight_lr = 1e-3;
    options_.zp_lr = 1e-1;
    options_.batch_size = 4;
    options_.gradient_accumulation_steps = test_case.accumulation;
    options_.epochs = 1;
    options_.rest.assign(test_case.blocks - 1, {3, 16});
    options_.execution.precision = test_case.precision;
  }

  StatusOr<TrainOutcome> Try(LearntMemory* learnt) {
    return TrainBlock(config_, unit_, data_.inputs(), options_, nullptr, CancelToken{}, nullptr, learnt);
  }
  TrainOutcome Train(LearntMemory* learnt = nullptr) {
    StatusOr<TrainOutcome> outcome = Try(learnt);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return *std::move(outcome);
  }
  // Whose activations are recomputed from the beginning.
  Learnt Lesson() const {
    Learnt learnt;
    learnt.shapes.insert(shape());
    return learnt;
  }
  std::string shape() const { return TrainingShape(config_, options_, seqlen_); }
  int64_t PeakBytes(LearntMemory* learnt) {
    const int64_t before = CurrentMemoryUse().current_bytes;
    ResetPeakMemoryUse();
    Train(learnt);
    return CurrentMemoryUse().peak_bytes - before;
  }

 private:
  static LlamaConfig ConfigOf(const Case& test_case) {
    LlamaConfig config = RandomConfig(test_case.shape);
    if (test_case.sliding_window > 0) config.sliding_window = test_case.sliding_window;
    return config;
  }
  static std::vector<BlockState> UnitOf(const LlamaConfig& config, size_t blocks) {
    std::vector<BlockState> unit;
    for (size_t i = 0; i < blocks; ++i) unit.push_back(RandomBlock(config, 5 + i));
    return unit;
  }

  LlamaConfig config_;
  int64_t seqlen_;
  std::vector<BlockState> unit_;
  TrainingSet data_;
  TrainOptions options_;
};

class RecomputedTest : public ::testing::TestWithParam<Case> {};

TEST_P(RecomputedTest, ActivationsThatAreRecomputedGiveTheSameBits) {
  Subject subject(GetParam());
  const TrainOutcome kept = subject.Train();
  EXPECT_EQ(kept.activations, Activations::kKept);
  Learnt lesson = subject.Lesson();
  const TrainOutcome recomputed = subject.Train(&lesson);
  EXPECT_EQ(recomputed.activations, Activations::kRecomputed);
  ExpectSame(recomputed, kept);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RecomputedTest,
                         ::testing::Values(Case{"block", {}}, Case{"unit", {}, 3},
                                           Case{"accumulated", {}, 1, 12, 0, Precision::kF32, 2},
                                           Case{"manyqueries", {}, 1, 600}, Case{"slidingwindow", {}, 1, 600, 100},
                                           Case{"biasesandheadnorms", {32, 48, 4, 2, 2, 64, true}, 2},
                                           Case{"bf16", {64, 96, 4, 2}, 2, 300, 0, Precision::kBF16}),
                         [](const auto& test) { return test.param.name; });

// Activations are most of its memory, those of one block at a time half of them.
Case Long() {
  return {"long", {64, 176, 4, 4}, 3, 256};
}

TEST(TrainOutOfMemoryTest, AStepThatDoesNotFitIsMadeAgainWithLessAndTheNextTrainingStartsSo) {
  Subject subject(Long());
  const TrainOutcome undisturbed = subject.Train();
  Learnt lesson = subject.Lesson();
  const int64_t kept_bytes = subject.PeakBytes(nullptr), recomputed_bytes = subject.PeakBytes(&lesson);
  ASSERT_LT(static_cast<double>(recomputed_bytes), 0.6 * static_cast<double>(kept_bytes));

  Learnt learnt;
  const ScopedLimit limit(recomputed_bytes * 5 / 4);
  const TrainOutcome first = subject.Train(&learnt);
  EXPECT_EQ(first.activations, Activations::kRecomputed);
  ExpectSame(first, undisturbed);
  EXPECT_THAT(learnt.steps, ElementsAre(0));
  EXPECT_THAT(learnt.shapes, ElementsAre(subject.shape()));

  ExpectSame(subject.Train(&learnt), undisturbed);
  EXPECT_THAT(learnt.steps, ElementsAre(0)) << "the second training tried again what did not fit";
}

TEST(TrainOutOfMemoryTest, WhatDoesNotFitEitherWaySaysWhatItAskedForAndWhatTakesLess) {
  Subject subject(Long());
  Learnt lesson = subject.Lesson();
  const ScopedLimit limit(subject.PeakBytes(&lesson) / 2);
  Learnt learnt;
  const Status failure = subject.Try(&learnt).status();
  EXPECT_EQ(failure.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(learnt.steps, ElementsAre(0));
  const std::string line(failure.message());
  EXPECT_THAT(line, HasSubstr("training a block: out of memory: a tensor of "));
  EXPECT_THAT(line, HasSubstr(" of the memory limit of "));
  EXPECT_THAT(line,
              HasSubstr("(3 blocks of hidden size 64, intermediate size 176, 4 heads and 4 key/value heads of 16, "
                        "4 windows of 256 tokens at a time, fp32; less is taken by more "
                        "gradient_accumulation_steps or a smaller block_grouping or a smaller training_seqlen)"));
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

// One refused request in each of many trainings, at numbers drawn from all that there are.
TEST(TrainOutOfMemoryTest, ARefusedRequestAnywhereGivesTheSameResultOrAClearFailure) {
  for (const size_t blocks : {1, 2}) {
    Subject subject({"refused", {}, blocks, 12, 0, Precision::kF32, 2});
    const TrainOutcome undisturbed = subject.Train();
    int64_t requests = 0;
    {
      const FailingAllocator counting(0);
      ExpectSame(subject.Train(), undisturbed);
      requests = counting.requests();
    }
    std::mt19937_64 random(blocks);
    int recovered = 0, later = 0, failed = 0;
    for (int i = 0; i < 100; ++i) {
      const auto refused = static_cast<int64_t>(random() % static_cast<uint64_t>(requests)) + 1;
      SCOPED_TRACE(absl::StrCat(blocks, " blocks, request ", refused, " of ", requests));
      Learnt learnt;
      StatusOr<TrainOutcome> outcome = absl::UnknownError("not run");
      {
        const FailingAllocator failing(refused);
        outcome = subject.Try(&learnt);
      }
      if (outcome.ok()) {
        ExpectSame(*outcome, undisturbed);
        EXPECT_EQ(learnt.steps.size(), 1u);
        ++recovered;
        later += learnt.steps.front() > 0;
      } else {
        EXPECT_EQ(outcome.status().code(), absl::StatusCode::kResourceExhausted) << outcome.status();
        EXPECT_THAT(std::string(outcome.status().message()), HasSubstr("was refused by a test"));
        EXPECT_THAT(learnt.steps, IsEmpty());
        ++failed;
      }
    }
    EXPECT_GT(recovered, 50);
    EXPECT_GT(later, 0);
    EXPECT_GT(failed, 0);
  }
}

}  // namespace
}  // namespace lwq::qat
