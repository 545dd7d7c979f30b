// SPDX-License-Identifier: Apache-2.0
#include "worker/windows/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace lwq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int32_t> Stream(int64_t tokens) {
  std::vector<int32_t> ids(static_cast<size_t>(tokens));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

WindowOptions Options(int64_t train_size, int64_t val_size, int64_t seqlen, WindowMode mode, int64_t seed = 2) {
  WindowOptions options;
  options.train_size = train_size;
  options.val_size = val_size;
  options.seqlen = seqlen;
  options.seed = seed;
  options.mode = mode;
  return options;
}

void ExpectInside(const TokenWindows& windows, int64_t begin, int64_t end) {
  ASSERT_EQ(windows.ids.size(), windows.starts.size() * static_cast<size_t>(windows.seqlen));
  for (size_t i = 0; i < windows.starts.size(); ++i) {
    EXPECT_GE(windows.starts[i], begin);
    EXPECT_LE(windows.starts[i] + windows.seqlen, end);
    for (int64_t t = 0; t < windows.seqlen; ++t) {
      ASSERT_EQ(windows.ids[i * static_cast<size_t>(windows.seqlen) + static_cast<size_t>(t)], windows.starts[i] + t);
    }
  }
}

bool AnyOverlap(const TokenWindows& windows) {
  for (size_t i = 0; i < windows.starts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (std::abs(windows.starts[i] - windows.starts[j]) < windows.seqlen) return true;
    }
  }
  return false;
}

// EfficientQAT's loop run by CPython 3.11: random.seed(2); randint(0, 900-16-1) six times, randint(900, 1000-16-1)
// three times.
TEST(SampleWindows, TheEfficientqatPresetDrawsCPythonsStarts) {
  const auto windows = SampleWindows(Stream(1000), Options(6, 3, 16, WindowMode::kIndependent));
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_THAT(windows->train.starts, ElementsAre(883, 869, 57, 93, 86, 369));
  EXPECT_THAT(windows->val.starts, ElementsAre(921, 939, 932));
  EXPECT_TRUE(windows->train.overlapping);
  EXPECT_TRUE(windows->val.overlapping);
}

TEST(SampleWindows, Wikitext2TrainingStartsAreThoseOfEfficientqatsDefaultSeed) {
  // 341,469 tokens (Llama-2): int(0.9 N) - 2048 - 1 = 305,273.
  const auto windows = SampleWindows(Stream(341469), Options(6, 0, 2048, WindowMode::kIndependent));
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_THAT(windows->train.starts, ElementsAre(29649, 48016, 44497, 189298, 88648, 161552));
  EXPECT_EQ(windows->val.count(), 0);
}

TEST(SampleWindows, TrainAndValidationWindowsNeverShareAToken) {
  for (const WindowMode mode : {WindowMode::kIndependent, WindowMode::kDisjoint}) {
    for (int64_t seed = 0; seed < 200; ++seed) {
      SCOPED_TRACE(seed);
      const int64_t tokens = 400 + seed * 13;
      const auto windows = SampleWindows(Stream(tokens), Options(20, 5, 7 + seed % 30, mode, seed));
      ASSERT_TRUE(windows.ok()) << windows.status();
      const int64_t cut = tokens * 9 / 10;
      ExpectInside(windows->train, 0, cut);
      ExpectInside(windows->val, cut, tokens);
    }
  }
}

TEST(SampleWindows, DisjointWindowsNeverOverlapEvenWhenTheyFillTheRegion) {
  for (int64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    const auto full = SampleWindows(Stream(1000), Options(30, 3, 30, WindowMode::kDisjoint, seed));
    ASSERT_TRUE(full.ok()) << full.status();
    EXPECT_FALSE(full->train.overlapping);
    EXPECT_FALSE(full->val.overlapping);
    std::vector<int64_t> sorted = full->train.starts;
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], 30 * i);

    const auto loose = SampleWindows(Stream(5000), Options(60, 9, 40, WindowMode::kDisjoint, seed));
    ASSERT_TRUE(loose.ok()) << loose.status();
    EXPECT_FALSE(AnyOverlap(loose->train));
    EXPECT_FALSE(AnyOverlap(loose->val));
    EXPECT_FALSE(loose->train.overlapping);
  }
}

TEST(SampleWindows, DisjointWindowsReachEveryPlaceOfTheRegion) {
  std::vector<int> hits(45, 0);  // the training region of 50 tokens
  for (int64_t seed = 0; seed < 2000; ++seed) {
    const auto windows = SampleWindows(Stream(50), Options(3, 0, 4, WindowMode::kDisjoint, seed));
    ASSERT_TRUE(windows.ok()) << windows.status();
    for (const int64_t start : windows->train.starts) ++hits[static_cast<size_t>(start)];
  }
  for (size_t start = 0; start + 4 <= 45; ++start) EXPECT_GT(hits[start], 0) << start;
}

TEST(SampleWindows, ATextTooShortForDisjointWindowsIsDrawnWithOverlapAndSaysSo) {
  const auto disjoint = SampleWindows(Stream(1000), Options(31, 2, 30, WindowMode::kDisjoint));
  const auto independent = SampleWindows(Stream(1000), Options(31, 2, 30, WindowMode::kIndependent));
  ASSERT_TRUE(disjoint.ok()) << disjoint.status();
  ASSERT_TRUE(independent.ok());
  EXPECT_TRUE(disjoint->train.overlapping);
  EXPECT_FALSE(disjoint->val.overlapping);
  EXPECT_EQ(disjoint->train.starts, independent->train.starts);
}

TEST(SampleWindows, EqualSeedsGiveEqualWindowsAndOtherSeedsOthers) {
  const auto options = Options(8, 2, 10, WindowMode::kDisjoint, 7);
  EXPECT_EQ(SampleWindows(Stream(900), options)->train.ids, SampleWindows(Stream(900), options)->train.ids);
  EXPECT_NE(SampleWindows(Stream(900), options)->train.ids,
            SampleWindows(Stream(900), Options(8, 2, 10, WindowMode::kDisjoint, 8))->train.ids);
}

TEST(SampleWindows, ATextThatIsTooShortIsRefusedWithTheNumberOfTokensItNeeds) {
  const auto refused = SampleWindows(Stream(100), Options(4, 1, 16, WindowMode::kDisjoint));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("has 100 tokens, but windows of 16 tokens need 161"));
  EXPECT_FALSE(SampleWindows(Stream(160), Options(4, 1, 16, WindowMode::kDisjoint)).ok());
  EXPECT_TRUE(SampleWindows(Stream(161), Options(4, 1, 16, WindowMode::kDisjoint)).ok());
  EXPECT_TRUE(SampleWindows(Stream(161), Options(4, 1, 16, WindowMode::kIndependent)).ok());
  EXPECT_FALSE(SampleWindows({}, Options(1, 1, 1, WindowMode::kDisjoint)).ok());
}

TEST(SampleWindows, TheNamedNumberOfTokensIsTheSmallestThatWorks) {
  for (int64_t seqlen = 1; seqlen < 120; ++seqlen) {
    SCOPED_TRACE(seqlen);
    for (const int64_t val_size : {0, 1}) {
      const auto options = Options(1, val_size, seqlen, WindowMode::kIndependent);
      int64_t tokens = 0;
      while (!SampleWindows(Stream(tokens), options).ok()) ++tokens;
      const auto refused = SampleWindows(Stream(tokens - 1), options);
      EXPECT_THAT(refused.status().message(), HasSubstr(absl::StrCat(" need ", tokens)));
    }
  }
}

TEST(SampleWindows, HostileSizesAreRefused) {
  const auto ids = Stream(1000);
  for (const WindowMode mode : {WindowMode::kIndependent, WindowMode::kDisjoint}) {
    EXPECT_FALSE(SampleWindows(ids, Options(0, 1, 8, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(-1, 1, 8, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(1, -1, 8, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(1, 1, 0, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(1, 1, INT64_MAX, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(INT64_MAX, 1, 8, mode)).ok());
    EXPECT_FALSE(SampleWindows(ids, Options(1, INT64_MAX / 2, 8, mode)).ok());
  }
}

TEST(EvalWindows, AreConsecutiveAndDropTheTail) {
  const auto windows = EvalWindows(Stream(25), 10);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_THAT(windows->starts, ElementsAre(0, 10));
  EXPECT_EQ(windows->ids.size(), 20u);
  EXPECT_EQ(windows->ids.back(), 19);
  EXPECT_FALSE(windows->overlapping);
}

TEST(EvalWindows, ATextShorterThanOneWindowIsRefused) {
  const auto refused = EvalWindows(Stream(9), 10);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("9 tokens"));
  EXPECT_FALSE(EvalWindows(Stream(9), 0).ok());
}

TEST(CutWindows, AWindowThatLeavesTheStreamIsRefusedByItsStart) {
  EXPECT_THAT(CutWindows(Stream(20), {0, 11}, 10).status().message(), HasSubstr("at 11"));
  EXPECT_FALSE(CutWindows(Stream(20), {-1}, 10).ok());
  EXPECT_FALSE(CutWindows(Stream(20), {INT64_MAX}, 10).ok());
  EXPECT_TRUE(CutWindows(Stream(20), {10}, 10).ok());
}

}  // namespace
}  // namespace lwq
