// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/retry_store.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/object_store/memory_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/as_bytes.h"
#include "tests/testing/fault_store.h"

namespace lwq {
namespace {

using test::AsBytes;
using test::FaultOptions;
using test::FaultStore;
using test::StoreCall;

Status DoNotWait(absl::Duration) {
  return absl::OkStatus();
}

// A retry store over a faulty one, with the waits written down instead of waited.
struct Rig {
  explicit Rig(const FaultOptions& faults = {}, const RetryOptions& retries = {}) {
    auto inner = std::make_unique<FaultStore>(std::make_unique<MemoryStore>(), faults);
    fault = inner.get();
    store = MakeRetryStore(std::move(inner), retries, [this](absl::Duration wait) {
      waits.push_back(wait);
      return given_up;
    });
  }
  void FailNext(int count, Status status) {
    fault->SetHook(
        [left = count, status](StoreCall, std::string_view) mutable { return left-- > 0 ? status : absl::OkStatus(); });
  }
  FaultStore* fault = nullptr;
  std::unique_ptr<ObjectStore> store;
  std::vector<absl::Duration> waits;
  Status given_up;  // what the next wait answers
};

TEST(RetryStoreTest, TheTableDecidesEveryCode) {
  using absl::StatusCode;
  for (int code = 0; code <= 16; ++code) {
    const bool expected =
        code == static_cast<int>(StatusCode::kUnknown) || code == static_cast<int>(StatusCode::kDeadlineExceeded) ||
        code == static_cast<int>(StatusCode::kAborted) || code == static_cast<int>(StatusCode::kUnavailable);
    EXPECT_EQ(IsRetried(static_cast<StatusCode>(code)), expected) << code;
    if (code == 0) continue;
    Rig rig;
    rig.FailNext(1, Status(static_cast<StatusCode>(code), "once"));
    EXPECT_EQ(rig.store->Put("k", AsBytes("x"), {}).ok(), expected) << code;
    EXPECT_EQ(rig.waits.size(), expected ? 1u : 0u) << code;
  }
}

TEST(RetryStoreTest, AttemptsAreBoundedAndTheLastAnswerIsGiven) {
  Rig rig({}, {.attempts_max = 4});
  rig.FailNext(100, absl::UnavailableError("down"));
  const Status status = rig.store->Get("k").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(rig.fault->calls(StoreCall::kGet), 4);
  EXPECT_EQ(rig.waits.size(), 3u);
}

TEST(RetryStoreTest, RepetitionsComeFromABudgetThatSuccessesFillByHalves) {
  Rig rig({}, {.attempts_max = 100, .budget_retries = 5});
  rig.FailNext(1000, absl::UnavailableError("down"));
  EXPECT_FALSE(rig.store->Head("k").ok());
  EXPECT_EQ(rig.waits.size(), 5u) << "the whole budget";
  EXPECT_FALSE(rig.store->Head("k").ok());
  EXPECT_EQ(rig.waits.size(), 5u) << "nothing is left";
  rig.FailNext(0, absl::OkStatus());
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(absl::IsNotFound(rig.store->Head("k").status())) << "an answer, and no failure";
  rig.FailNext(1000, absl::UnavailableError("down"));
  EXPECT_FALSE(rig.store->Head("k").ok());
  EXPECT_EQ(rig.waits.size(), 7u) << "two for four";
}

TEST(RetryStoreTest, ACallerThatStopsEndsTheCallWithItsReason) {
  Rig rig;
  rig.FailNext(100, absl::UnavailableError("down"));
  rig.given_up = absl::CancelledError("stopping");
  EXPECT_EQ(rig.store->Put("k", AsBytes("x"), {}), absl::CancelledError("stopping"));
  EXPECT_EQ(rig.store->Get("k").status(), absl::CancelledError("stopping"));
  EXPECT_EQ(rig.waits.size(), 2u) << "each call ended at its first wait";
  rig.FailNext(0, absl::OkStatus());
  EXPECT_TRUE(rig.store->Put("k", AsBytes("x"), {}).ok()) << "what needs no wait is not given up";
}

TEST(RetryStoreTest, WaitsDoubleUpToTheirLimitWithinHalfOfTheirSize) {
  Rig rig({},
          {.attempts_max = 9, .backoff_initial = absl::Milliseconds(100), .backoff_max = absl::Seconds(2), .seed = 4});
  rig.FailNext(100, absl::UnavailableError("down"));
  EXPECT_FALSE(rig.store->Head("k").ok());
  ASSERT_EQ(rig.waits.size(), 8u);
  absl::Duration whole = absl::Milliseconds(100);
  for (const absl::Duration wait : rig.waits) {
    EXPECT_GE(wait, whole / 2);
    EXPECT_LE(wait, whole);
    whole = std::min(2 * whole, absl::Seconds(2));
  }
  Rig again(
      {}, {.attempts_max = 9, .backoff_initial = absl::Milliseconds(100), .backoff_max = absl::Seconds(2), .seed = 4});
  again.FailNext(100, absl::UnavailableError("down"));
  EXPECT_FALSE(again.store->Head("k").ok());
  EXPECT_EQ(again.waits, rig.waits) << "equal seeds must give equal waits";
}

TEST(RetryStoreTest, AConditionalPutWhoseAnswerWasLostIsOurs) {
  // The first put takes effect and its answer is lost; the second finds the key taken, by our own bytes.
  auto inner = std::make_unique<FaultStore>(std::make_unique<MemoryStore>(), FaultOptions{});
  FaultStore* fault = inner.get();
  int puts = 0;
  fault->SetHook([&](StoreCall call, std::string_view key) -> Status {
    if (call != StoreCall::kPut || ++puts > 1) return absl::OkStatus();
    LWQ_CHECK(fault->inner().Put(key, AsBytes("mine"), {.if_absent = true}).ok());
    return absl::UnavailableError("answer lost");
  });
  const auto store = MakeRetryStore(std::move(inner), {}, DoNotWait);
  EXPECT_TRUE(store->Put("k", AsBytes("mine"), {.if_absent = true}).ok());
  EXPECT_EQ(puts, 2);
  EXPECT_EQ(store->Get("k")->view(), "mine");
}

TEST(RetryStoreTest, AConditionalPutThatSomebodyElseWonDuringAFaultIsLost) {
  auto inner = std::make_unique<FaultStore>(std::make_unique<MemoryStore>(), FaultOptions{});
  FaultStore* fault = inner.get();
  bool first = true;
  fault->SetHook([&](StoreCall call, std::string_view key) -> Status {
    if (call != StoreCall::kPut || !std::exchange(first, false)) return absl::OkStatus();
    LWQ_CHECK(fault->inner().Put(key, AsBytes("them"), {}).ok());
    return absl::UnavailableError("connection reset");
  });
  const auto store = MakeRetryStore(std::move(inner), {}, DoNotWait);
  EXPECT_TRUE(absl::IsAlreadyExists(store->Put("k", AsBytes("mine"), {.if_absent = true})));
  EXPECT_EQ(store->Get("k")->view(), "them");
}

TEST(RetryStoreTest, WithoutAFaultEqualBytesStillLose) {
  Rig rig;
  ASSERT_TRUE(rig.store->Put("k", AsBytes("same"), {.if_absent = true}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(rig.store->Put("k", AsBytes("same"), {.if_absent = true})));
}

TEST(RetryStoreTest, AConditionalUploadWhoseAnswerWasLostIsOurs) {
  auto inner = std::make_unique<FaultStore>(std::make_unique<MemoryStore>(), FaultOptions{});
  FaultStore* fault = inner.get();
  bool first = true;
  fault->SetHook([&](StoreCall call, std::string_view key) -> Status {
    if (call != StoreCall::kCommit || !std::exchange(first, false)) return absl::OkStatus();
    LWQ_CHECK(fault->inner().Put(key, AsBytes("two parts"), {}).ok());
    return absl::UnavailableError("answer lost");
  });
  const auto store = MakeRetryStore(std::move(inner), {}, DoNotWait);
  auto upload = store->StartUpload("k", {.if_absent = true});
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Write(AsBytes("two ")).ok());
  ASSERT_TRUE((*upload)->Write(AsBytes("parts")).ok());
  EXPECT_TRUE((*upload)->Commit().ok());
}

TEST(RetryStoreTest, WritesOfAnUploadAreRepeatedWithoutDoublingBytes) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rig rig({.seed = seed, .unavailable_before = 0.4, .unavailable_after = 0.4},
            {.attempts_max = 200, .budget_retries = 100'000});
    auto upload = rig.store->StartUpload("k", {.if_absent = true});
    ASSERT_TRUE(upload.ok()) << "seed " << seed;
    std::string expected;
    for (int part = 0; part < 10; ++part) {
      const std::string text = absl::StrCat("<part ", part, ">");
      ASSERT_TRUE((*upload)->Write(AsBytes(text)).ok()) << "seed " << seed;
      expected += text;
    }
    ASSERT_TRUE((*upload)->Commit().ok()) << "seed " << seed;
    EXPECT_EQ(rig.store->Get("k")->view(), expected) << "seed " << seed;
    EXPECT_GT(rig.fault->faults(), 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace lwq
