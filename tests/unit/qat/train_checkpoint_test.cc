// SPDX-License-Identifier: Apache-2.0
// Trainings that are interrupted and gone on with, beside the same ones undisturbed; checkpoints that are of no use.
#include <cstring>
#include <map>

#include "common/artifact/checkpoint.h"
#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/unit/qat/model_random_block.h"
#include "tests/unit/qat/same_outcome.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {
namespace {

using ::testing::HasSubstr;

CheckpointStamp StampNamed(std::string_view action) {
  return {.task = DigestOf("task"),
          .action = DigestOf(action),
          .kind = "train_block",
          .numerics_class = "cpu|fp32|1",
          .token = 7};
}

// Saves at every step, keeps all, and stops where it is told to.
class EveryStep final : public Checkpoints {
 public:
  explicit EveryStep(ArtifactStore* store) : store_(store) {}

  StatusOr<std::optional<CheckpointReader>> Earlier() override {
    if (!from.has_value()) return std::optional<CheckpointReader>();
    LWQ_ASSIGN_OR_RETURN(CheckpointReader reader, CheckpointReader::Open(store_, *from, StampNamed("action")));
    return std::optional(std::move(reader));
  }
  void GoesOnFrom(const CheckpointStamp& stamp) override { went_on_from = stamp.step; }
  void Refused(const Status& reason) override { refusal = reason; }
  Status AtStep(int64_t step, int64_t steps, SaveState save) override {
    if (step > 0) {
      CheckpointStamp stamp = StampNamed("action");
      stamp.token = token;
      stamp.step = step;
      stamp.steps = steps;
      CheckpointWriter writer(store_, stamp, part_bytes);
      LWQ_RETURN_IF_ERROR(save(writer));
      LWQ_ASSIGN_OR_RETURN(saved[step], writer.Publish());
    }
    if (step == stop_at) return absl::CancelledError("stopped");
    return absl::OkStatus();
  }

  std::optional<ArtifactRef> from;
  uint64_t token = 7;
  int64_t stop_at = -1;
  int64_t part_bytes = kCheckpointPartBytes;
  std::map<int64_t, ArtifactRef> saved;
  int64_t went_on_from = -1;
  Status refusal;

 private:
  ArtifactStore* store_;
};

class TrainCheckpointTest : public ::testing::Test {
 protected:
  // Ten samples in batches of four: an epoch is three steps, the last of them partial; the plan ends within a third.
  static TrainOptions Options() {
    TrainOptions options;
    options.bits = 2;
    options.group_size = 16;
    options.quant_lr = 1e-3;
    options.weight_lr = 1e-3;
    options.zp_lr = 1e-1;
    options.batch_size = 4;
    options.gradient_accumulation_steps = 2;
    options.epochs = 2.7;
    return options;
  }
  StatusOr<TrainOutcome> Try(const TrainOptions& options, Checkpoints* checkpoints, LearntMemory* learnt = nullptr) {
    return TrainBlock(config_, unit_, data_.inputs(), options, nullptr, CancelToken{}, checkpoints, learnt);
  }
  TrainOutcome Train(const TrainOptions& options, Checkpoints* checkpoints = nullptr, LearntMemory* learnt = nullptr) {
    StatusOr<TrainOutcome> outcome = Try(options, checkpoints, learnt);
    LWQ_CHECK(outcome.ok(), outcome.status().ToString());
    return *std::move(outcome);
  }
  // Saving changes nothing, and neither does going on from any of the steps.
  void ExpectTheSameFromEveryStep(const TrainOptions& options) {
    const TrainOutcome undisturbed = Train(options);
    EveryStep saving(&store_);
    ExpectSame(Train(options, &saving), undisturbed);
    ASSERT_EQ(std::ssize(saving.saved), undisturbed.steps - 1);  // none at the end
    for (const auto& [step, checkpoint] : saving.saved) {
      EveryStep going_on(&store_);
      going_on.from = checkpoint;
      ExpectSame(Train(options, &going_on), undisturbed);
      EXPECT_EQ(going_on.went_on_from, step);
    }
  }
  // A checkpoint of a training of these options, after this many steps.
  ArtifactRef SavedAt(const TrainOptions& options, int64_t step) {
    EveryStep saving(&store_);
    saving.stop_at = step;
    LWQ_CHECK(absl::IsCancelled(Try(options, &saving).status()));
    return saving.saved.at(step);
  }
  // What is wrong with the checkpoint; the training must have begun at the beginning.
  Status RefusalOf(const ArtifactRef& checkpoint, const TrainOptions& options) {
    EveryStep going_on(&store_);
    going_on.from = checkpoint;
    ExpectSame(Train(options, &going_on), Train(options));
    EXPECT_EQ(going_on.went_on_from, -1);
    return going_on.refusal;
  }

  LlamaConfig config_ = RandomConfig();
  std::vector<BlockState> unit_ = {RandomBlock(config_, 3)};
  TrainingSet data_ = RandomTrainingSet(config_, unit_, /*train=*/10, /*val=*/3, /*seqlen=*/12, /*seed=*/90);
  MemoryStore objects_;
  ArtifactStore store_{&objects_};
};

TEST_F(TrainCheckpointTest, ATrainingGoesOnFromEveryStepToTheSameBits) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    TrainOptions options = Options();
    options.execution.precision = precision;
    ExpectTheSameFromEveryStep(options);
  }
}

TEST_F(TrainCheckpointTest, SoDoesOneThatKeepsLatentWeightsAndStopsEarly) {
  TrainOptions options = Options();
  options.keep_latent = true;
  options.early_stop = 2;
  options.early_stop_resets = false;
  options.min_lr_factor = 1;
  options.epochs = 12;
  // Rates at which validations get worse, so that the counter and the best state matter.
  for (const double rate : {2e-2, 4e-2, 8e-2}) {
    options.quant_lr = options.weight_lr = rate;
    const TrainOutcome outcome = Train(options);
    if (outcome.stopped_early && outcome.steps > 6) break;
  }
  ASSERT_TRUE(Train(options).stopped_early);
  ExpectTheSameFromEveryStep(options);
}

TEST_F(TrainCheckpointTest, SoDoesOneWithoutValidationAndWithFrozenWeights) {
  data_ = RandomTrainingSet(config_, unit_, /*train=*/10, /*val=*/0, /*seqlen=*/12, /*seed=*/90);
  TrainOptions options = Options();
  options.weight_lr = 0;
  ExpectTheSameFromEveryStep(options);
}

TEST_F(TrainCheckpointTest, SoDoesAUnitOfTwoBlocksWithNormsOfQueriesAndKeys) {
  config_ = RandomConfig({.has_extras = true});
  unit_ = {RandomBlock(config_, 3), RandomBlock(config_, 4)};
  data_ = RandomTrainingSet(config_, unit_, /*train=*/10, /*val=*/3, /*seqlen=*/12, /*seed=*/90);
  TrainOptions options = Options();
  options.rest.push_back({.bits = 3, .group_size = 16});
  options.epochs = 1.4;
  ExpectTheSameFromEveryStep(options);
}

TEST_F(TrainCheckpointTest, WhetherActivationsAreKeptMayChangeFromOneAttemptToTheNext) {
  class Recomputing final : public LearntMemory {
   public:
    bool Recomputes(std::string_view) const override { return true; }
    void DidNotFit(std::string_view, const Status&, int64_t, int64_t) override {}
  } recomputing;
  const TrainOutcome undisturbed = Train(Options());
  EveryStep kept(&store_), recomputed(&store_);
  ExpectSame(Train(Options(), &kept), undisturbed);
  ExpectSame(Train(Options(), &recomputed, &recomputing), undisturbed);
  for (const int64_t step : {1, 4}) {
    EveryStep from_kept(&store_), from_recomputed(&store_);
    from_kept.from = kept.saved.at(step);
    from_recomputed.from = recomputed.saved.at(step);
    const TrainOutcome outcome = Train(Options(), &from_kept, &recomputing);
    EXPECT_EQ(outcome.activations, Activations::kRecomputed);
    ExpectSame(outcome, undisturbed);
    ExpectSame(Train(Options(), &from_recomputed), undisturbed);
    EXPECT_EQ(from_recomputed.went_on_from, step);
  }
}

TEST_F(TrainCheckpointTest, ACheckpointOfManyPartsIsGoneOnFromLikeOneOfOne) {
  const TrainOutcome undisturbed = Train(Options());
  EveryStep saving(&store_);
  saving.part_bytes = 1000;  // most tensors have a part of their own
  saving.stop_at = 4;
  EXPECT_TRUE(absl::IsCancelled(Try(Options(), &saving).status()));
  const auto manifest = LoadManifest(store_, saving.saved.at(4));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_GT(manifest->parts.size(), 10u);
  EveryStep going_on(&store_);
  going_on.from = saving.saved.at(4);
  ExpectSame(Train(Options(), &going_on), undisturbed);
}

TEST_F(TrainCheckpointTest, PartsBelongToOneCheckpointAlone) {
  EveryStep first(&store_), second(&store_);
  first.stop_at = second.stop_at = 4;
  second.token = 8;
  EXPECT_TRUE(absl::IsCancelled(Try(Options(), &first).status()));
  EXPECT_TRUE(absl::IsCancelled(Try(Options(), &second).status()));
  std::map<Digest, int> parts;
  for (const EveryStep* attempt : {&first, &second}) {
    for (const auto& [step, checkpoint] : attempt->saved) {
      const auto manifest = LoadManifest(store_, checkpoint);
      ASSERT_TRUE(manifest.ok()) << manifest.status();
      for (const Part& part : manifest->parts) EXPECT_EQ(++parts[part.blob.digest], 1) << "step " << step;
    }
  }
  EXPECT_EQ(parts.size(), 8u);
}

TEST_F(TrainCheckpointTest, ADamagedPartIsRefusedAndTrainingBeginsAtTheBeginning) {
  const ArtifactRef checkpoint = SavedAt(Options(), 4);
  const auto manifest = LoadManifest(store_, checkpoint);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  const std::string key = BlobKey(manifest->parts.back().blob.digest);
  std::string bytes(store_.store()->Get(key).value().view());
  const std::string whole = bytes;
  ASSERT_TRUE(objects_.Delete(key).ok());
  EXPECT_EQ(RefusalOf(checkpoint, Options()).code(), absl::StatusCode::kNotFound);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(objects_.Put(key, lwq::test::AsBytes(bytes), PutOptions{}).ok());
  EXPECT_EQ(RefusalOf(checkpoint, Options()).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(objects_.Put(key, lwq::test::AsBytes(whole.substr(0, whole.size() / 2)), PutOptions{}).ok());
  EXPECT_EQ(RefusalOf(checkpoint, Options()).code(), absl::StatusCode::kDataLoss);
}

TEST_F(TrainCheckpointTest, StatesOfOtherTrainingsAreRefused) {
  const ArtifactRef checkpoint = SavedAt(Options(), 4);
  TrainOptions other = Options();
  other.group_size = 8;
  EXPECT_THAT(RefusalOf(checkpoint, other).message(), HasSubstr("weight_quantizer.scale"));
  other = Options();
  other.epochs = 1;
  EXPECT_THAT(RefusalOf(checkpoint, other).message(), HasSubstr("not of this training: steps"));
  other = Options();
  other.weight_lr = 0;
  EXPECT_EQ(RefusalOf(checkpoint, other).code(), absl::StatusCode::kDataLoss);
  other = Options();
  other.keep_best = false;
  EXPECT_THAT(RefusalOf(checkpoint, other).message(), HasSubstr("whether the best state is kept"));
  other = Options();
  other.keep_latent = true;
  EXPECT_THAT(RefusalOf(checkpoint, other).message(), HasSubstr("best.0.latent"));
}

}  // namespace
}  // namespace lwq::qat
