// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/samples.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Samples [2] of I32: sample i is (i, -i).
HostTensor Numbered(int32_t first, int32_t count) {
  std::string bytes;
  for (int32_t i = first; i < first + count; ++i) {
    for (const int32_t value : {i, -i}) bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return {DType::kI32, {count, 2}, Bytes::FromString(bytes)};
}

// Counts fetches and the blobs that are held at one time.
class CountingBlobs : public BlobSource {
 public:
  explicit CountingBlobs(BlobSource* inner) : inner_(inner) {}
  StatusOr<Bytes> Fetch(const BlobRef& blob) override {
    StatusOr<Bytes> bytes = inner_->Fetch(blob);
    if (!bytes.ok()) return bytes;
    const std::lock_guard lock(mutex_);
    fetched_.push_back(blob.digest);
    held_max_ = std::max(held_max_, ++*held_);
    const auto counted =
        std::shared_ptr<const void>(bytes->data(), [owner = bytes->owner(), held = held_](const void*) { --*held; });
    changed_.notify_all();
    return Bytes(counted, bytes->data(), bytes->size());
  }
  size_t fetches() {
    const std::lock_guard lock(mutex_);
    return fetched_.size();
  }
  void AwaitFetches(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return fetched_.size() >= count; });
  }
  int held_max() const { return held_max_; }

 private:
  BlobSource* inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Digest> fetched_;
  std::shared_ptr<std::atomic<int>> held_ = std::make_shared<std::atomic<int>>(0);
  int held_max_ = 0;
};

class SamplesTest : public ::testing::Test {
 protected:
  ArtifactRef Write(int32_t samples, int64_t chunk_samples, int32_t batch = 3) {
    SampleSetWriter writer(&artifacts_, DType::kI32, {2}, chunk_samples);
    for (int32_t first = 0; first < samples; first += batch) {
      EXPECT_TRUE(writer.Append(Numbered(first, std::min(batch, samples - first))).ok());
    }
    return writer.Finish().value();
  }
  std::unique_ptr<SampleSetReader> Open(const ArtifactRef& artifact) {
    return std::move(SampleSetReader::Open(&blobs_, artifact)).value();
  }

  test::FaultStore store_{std::make_unique<MemoryStore>(), {}};
  ArtifactStore artifacts_{&store_};
  CountingBlobs blobs_{&artifacts_};
};

TEST_F(SamplesTest, EveryRangeReadsBackAcrossEveryChunkBorder) {
  for (const int64_t chunk_samples : {1, 2, 3, 4, 7, 10, 100}) {
    const auto reader = Open(Write(10, chunk_samples));
    EXPECT_EQ(reader->samples(), 10);
    EXPECT_EQ(reader->dtype(), DType::kI32);
    EXPECT_THAT(reader->sample_shape(), ElementsAre(2));
    for (int32_t first = 0; first <= 10; ++first) {
      for (int32_t count = 0; first + count <= 10; ++count) {
        const StatusOr<HostTensor> tensor = reader->Read(first, count);
        ASSERT_TRUE(tensor.ok()) << tensor.status();
        EXPECT_THAT(tensor->shape, ElementsAre(count, 2));
        EXPECT_EQ(tensor->bytes.view(), Numbered(first, count).bytes.view())
            << first << " +" << count << " in chunks of " << chunk_samples;
      }
    }
  }
}

TEST_F(SamplesTest, HowSamplesWereAppendedDoesNotChangeTheArtifact) {
  EXPECT_EQ(Write(23, 5, 1), Write(23, 5, 7));
  EXPECT_EQ(Write(23, 5, 23), Write(23, 5, 4));
  EXPECT_NE(Write(23, 5), Write(23, 6));
}

TEST_F(SamplesTest, ASetWithoutSamplesIsASet) {
  const auto reader = Open(Write(0, 4));
  EXPECT_EQ(reader->samples(), 0);
  EXPECT_EQ(reader->Read(0, 0)->bytes.size(), 0u);
  EXPECT_TRUE(absl::IsOutOfRange(reader->Read(0, 1).status()));
}

TEST_F(SamplesTest, ARangeOutsideTheSetIsOutOfRange) {
  const auto reader = Open(Write(10, 4));
  for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{
           {10, 1}, {9, 2}, {-1, 1}, {0, -1}, {11, 0}, {INT64_MAX, INT64_MAX}, {1, INT64_MAX}}) {
    EXPECT_TRUE(absl::IsOutOfRange(reader->Read(first, count).status())) << first << " +" << count;
  }
}

TEST_F(SamplesTest, ARangeInsideOneChunkIsAView) {
  const auto reader = Open(Write(10, 5));
  const HostTensor one = reader->Read(5, 2).value();
  const HostTensor two = reader->Read(6, 3).value();
  EXPECT_EQ(one.bytes.owner(), two.bytes.owner());
  EXPECT_EQ(two.bytes.data(), one.bytes.data() + 8);
}

TEST_F(SamplesTest, TheNextChunkIsFetchedWhileThisOneIsUsed) {
  const auto reader = Open(Write(20, 5));
  const size_t before = blobs_.fetches();
  ASSERT_TRUE(reader->Read(0, 5).ok());
  blobs_.AwaitFetches(before + 2);  // would never return if nothing was fetched ahead
  ASSERT_TRUE(reader->Read(5, 5).ok());
  blobs_.AwaitFetches(before + 3);
}

TEST_F(SamplesTest, AReaderInOrderFetchesEachChunkOncePerEpochAndHoldsThree) {
  const auto reader = Open(Write(40, 4));
  const size_t before = blobs_.fetches();
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int32_t first = 0; first < 40; first += 2) {
      ASSERT_EQ(reader->Read(first, 2)->bytes.view(), Numbered(first, 2).bytes.view());
    }
  }
  const size_t fetched = blobs_.fetches() - before;
  EXPECT_GE(fetched, 30u);
  EXPECT_LE(fetched, 31u) << "the first chunk of an epoch that never came";
  EXPECT_LE(blobs_.held_max(), 3);
}

TEST_F(SamplesTest, ReadingOnceDoesNotFetchTheBeginningAgain) {
  const auto artifact = Write(40, 4);
  const size_t before = blobs_.fetches();
  {
    const auto reader = Open(artifact);
    for (int32_t first = 0; first < 40; first += 4) ASSERT_TRUE(reader->Read(first, 4).ok());
  }
  EXPECT_EQ(blobs_.fetches() - before, 1u + 10u) << "the manifest and each chunk";
}

TEST_F(SamplesTest, ReadsInAnyOrderAreRightAndHoldThree) {
  const auto reader = Open(Write(60, 4));
  const unsigned seed = 9;
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    const int32_t first = static_cast<int32_t>(random() % 60);
    const int32_t count = static_cast<int32_t>(random() % static_cast<unsigned>(61 - first));
    ASSERT_EQ(reader->Read(first, count)->bytes.view(), Numbered(first, count).bytes.view())
        << first << " +" << count << ", seed " << seed;
  }
  EXPECT_LE(blobs_.held_max(), 4) << "three, and the one being replaced";
}

TEST_F(SamplesTest, AFaultWhileFetchingAheadIsToldWhenTheChunkIsNeededAndPasses) {
  const auto reader = Open(Write(20, 5));
  std::atomic<bool> is_down{false};
  store_.SetHook(
      [&](test::StoreCall, std::string_view) { return is_down ? absl::UnavailableError("down") : absl::OkStatus(); });
  is_down = true;
  EXPECT_TRUE(absl::IsUnavailable(reader->Read(0, 1).status()));
  is_down = false;
  ASSERT_TRUE(reader->Read(0, 5).ok());
  is_down = true;
  ASSERT_TRUE(reader->Read(0, 5).ok()) << "it is held";
  const Status later = reader->Read(10, 1).status();
  EXPECT_TRUE(absl::IsUnavailable(later)) << later;
  EXPECT_THAT(std::string(MessageOf(later)), HasSubstr("chunk 2"));
  is_down = false;
  EXPECT_EQ(reader->Read(10, 1)->bytes.view(), Numbered(10, 1).bytes.view());
}

TEST_F(SamplesTest, ADamagedChunkIsDataLoss) {
  const ArtifactRef artifact = Write(20, 5);
  const Manifest manifest = LoadManifest(artifacts_, artifact).value();
  const std::string wrong(40, 'w');
  ASSERT_TRUE(
      store_.Put(BlobKey(manifest.parts[1].blob.digest), std::as_bytes(std::span(wrong.data(), wrong.size())), {})
          .ok());
  const auto reader = Open(artifact);
  EXPECT_TRUE(reader->Read(0, 5).ok());
  EXPECT_TRUE(absl::IsDataLoss(reader->Read(4, 2).status()));
}

TEST_F(SamplesTest, WhatDoesNotFitTheSetIsNotAppended) {
  SampleSetWriter writer(&artifacts_, DType::kI32, {2}, 4);
  const auto refused = [&](HostTensor tensor) { return absl::IsInvalidArgument(writer.Append(tensor)); };
  EXPECT_TRUE(refused({DType::kF32, {1, 2}, Bytes::FromString("12345678")}));
  EXPECT_TRUE(refused({DType::kI32, {1, 3}, Bytes::FromString("123456789012")}));
  EXPECT_TRUE(refused({DType::kI32, {2}, Bytes::FromString("12345678")}));
  EXPECT_TRUE(refused({DType::kI32, {}, Bytes::FromString("1234")}));
  EXPECT_TRUE(refused({DType::kI32, {2, 2}, Bytes::FromString("12345678")}));
  EXPECT_TRUE(refused({DType::kI32, {-1, 2}, Bytes()}));
  EXPECT_TRUE(writer.Append(Numbered(0, 1)).ok()) << "a refused tensor leaves the set as it was";
  const ArtifactRef artifact = writer.Finish().value();
  EXPECT_EQ(Open(artifact)->samples(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(writer.Append(Numbered(1, 1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(writer.Finish().status()));
}

TEST_F(SamplesTest, AWriterThatFailedStaysFailed) {
  SampleSetWriter writer(&artifacts_, DType::kI32, {2}, 2);
  std::atomic<int> puts{0};
  store_.SetHook([&](test::StoreCall call, std::string_view) {
    return call == test::StoreCall::kPut && ++puts == 2 ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
  });
  Status status;
  for (int32_t i = 0; i < 10 && status.ok(); ++i) status = writer.Append(Numbered(i, 2));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(absl::IsResourceExhausted(writer.Append(Numbered(0, 1))));
  EXPECT_TRUE(absl::IsResourceExhausted(writer.Finish().status()));
}

TEST_F(SamplesTest, AWriterOfImpossibleSamplesRefusesThem) {
  SampleSetWriter empty(&artifacts_, DType::kI32, {0}, 2);
  EXPECT_TRUE(absl::IsInvalidArgument(empty.Finish().status()));
  SampleSetWriter no_chunk(&artifacts_, DType::kI32, {2}, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(no_chunk.Append(Numbered(0, 1))));
  SampleSetWriter huge(&artifacts_, DType::kI32, {INT64_MAX}, 2);
  EXPECT_TRUE(absl::IsInvalidArgument(huge.Finish().status()));
}

TEST_F(SamplesTest, HostileManifestsAreDataLoss) {
  const BlobRef chunk = artifacts_.PutBlob(Numbered(0, 2).bytes.view()).value();
  const Json good = {{"samples", 2}, {"dtype", "I32"}, {"shape", {2}}, {"chunk_samples", 4}};
  const auto open = [&](const Json& meta, std::vector<Part> parts, std::string kind = "samples") {
    const ArtifactRef artifact = artifacts_.Publish({std::move(kind), meta, std::move(parts)}).value();
    return SampleSetReader::Open(&artifacts_, artifact).status();
  };
  ASSERT_TRUE(open(good, {{"00000", chunk}}).ok());
  const auto with = [&](std::string_view key, Json value) {
    Json meta = good;
    meta[std::string(key)] = std::move(value);
    return meta;
  };
  const std::vector<Json> metas = {Json::object(),
                                   with("samples", -1),
                                   with("samples", 3),
                                   with("samples", 1),
                                   with("samples", INT64_MAX),
                                   with("samples", "2"),
                                   with("dtype", "F8"),
                                   with("dtype", 3),
                                   with("dtype", "I64"),
                                   with("shape", {3}),
                                   with("shape", Json::array()),
                                   with("shape", {0}),
                                   with("shape", {-2}),
                                   with("shape", {2.0}),
                                   with("shape", 2),
                                   with("shape", {INT64_MAX, INT64_MAX}),
                                   with("shape", {2, 0, INT64_MAX}),
                                   with("chunk_samples", 0),
                                   with("chunk_samples", -4),
                                   with("chunk_samples", 1),
                                   with("chunk_samples", INT64_MAX)};
  for (const Json& meta : metas) {
    const Status status = open(meta, {{"00000", chunk}});
    EXPECT_TRUE(absl::IsDataLoss(status)) << meta.dump() << " " << status;
  }
  EXPECT_TRUE(absl::IsDataLoss(open(good, {{"00000", chunk}}, "files")));
  EXPECT_TRUE(absl::IsDataLoss(open(good, {})));
  EXPECT_TRUE(absl::IsDataLoss(open(good, {{"00001", chunk}})));
  EXPECT_TRUE(absl::IsDataLoss(open(good, {{"00000", chunk}, {"00001", chunk}})));
}

TEST_F(SamplesTest, AMillionPromisedSamplesCostNoMemoryUntilTheyAreFetched) {
  const BlobRef promised{DigestOf("never stored"), int64_t{1} << 40};
  const Json meta = {{"samples", 4}, {"dtype", "U8"}, {"shape", {int64_t{1} << 38}}, {"chunk_samples", 4}};
  const ArtifactRef artifact = artifacts_.Publish({"samples", meta, {{"00000", promised}}}).value();
  const auto reader = Open(artifact);
  EXPECT_TRUE(absl::IsNotFound(reader->Read(0, 4).status()));
}

TEST(ChunkSamplesTest, AChunkIsAboutEightMebibytesAndWholeBatches) {
  EXPECT_EQ(ChunkSamples(1 << 20, 2), 8);
  EXPECT_EQ(ChunkSamples(1 << 20, 3), 6);
  EXPECT_EQ(ChunkSamples(1 << 20, 100), 8) << "a batch that does not fit";
  EXPECT_EQ(ChunkSamples(100 << 20, 2), 1);
  EXPECT_EQ(ChunkSamples(3 << 20, 2), 2);
  EXPECT_EQ(ChunkSamples(2048, 0), 4096);
  EXPECT_GE(ChunkSamples(0, 1), 1);
}

TEST(SampleRangeTest, AWindowShowsItsSamplesAndNoOthers) {
  MemorySamples samples(DType::kI32, {2});
  ASSERT_TRUE(samples.Append(Numbered(0, 10)).ok());
  SampleRange window(&samples, 3, 4);
  EXPECT_EQ(window.samples(), 4);
  EXPECT_EQ(window.dtype(), DType::kI32);
  EXPECT_THAT(window.sample_shape(), ElementsAre(2));
  EXPECT_EQ(window.Read(1, 3)->bytes.view(), Numbered(4, 3).bytes.view());
  EXPECT_TRUE(absl::IsOutOfRange(window.Read(1, 4).status()));
  EXPECT_TRUE(absl::IsOutOfRange(window.Read(-1, 1).status()));
  SampleRange beyond(&samples, 8, 4);
  EXPECT_TRUE(absl::IsOutOfRange(beyond.Read(0, 4).status()));
}

TEST(MemorySamplesTest, WhatIsAppendedIsReadAndWhatWasReadStays) {
  MemorySamples samples(DType::kI32, {2});
  EXPECT_EQ(samples.samples(), 0);
  ASSERT_TRUE(samples.Append(Numbered(0, 3)).ok());
  const HostTensor first = samples.Read(0, 3).value();
  for (int32_t i = 3; i < 500; ++i) ASSERT_TRUE(samples.Append(Numbered(i, 1)).ok());
  EXPECT_EQ(first.bytes.view(), Numbered(0, 3).bytes.view());
  EXPECT_EQ(samples.Read(100, 400)->bytes.view(), Numbered(100, 400).bytes.view());
  EXPECT_TRUE(absl::IsOutOfRange(samples.Read(400, 101).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(samples.Append({DType::kI32, {1, 3}, Bytes::FromString("123456789012")})));
}

}  // namespace
}  // namespace lwq
