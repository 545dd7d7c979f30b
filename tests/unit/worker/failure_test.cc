// SPDX-License-Identifier: Apache-2.0
#include "worker/session/failure.h"

#include "common/status/out_of_storage.h"
#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

TEST(FailureTest, EveryStatusHasTheCauseTheRetryTableExpects) {
  EXPECT_EQ(CauseOf(absl::CancelledError("")), FailureCause::kReleased);
  EXPECT_EQ(CauseOf(absl::ResourceExhaustedError("")), FailureCause::kMemory);
  EXPECT_EQ(CauseOf(OutOfStorageError("")), FailureCause::kInfrastructure);
  EXPECT_EQ(CauseOf(Annotate(OutOfStorageError("no space"), "blob")), FailureCause::kInfrastructure);
  EXPECT_EQ(CauseOf(absl::UnavailableError("")), FailureCause::kInfrastructure);
  EXPECT_EQ(CauseOf(absl::DeadlineExceededError("")), FailureCause::kInfrastructure);
  EXPECT_EQ(CauseOf(absl::NotFoundError("")), FailureCause::kInputLost);
  EXPECT_EQ(CauseOf(absl::DataLossError("")), FailureCause::kInputLost);
  EXPECT_EQ(CauseOf(absl::InvalidArgumentError("")), FailureCause::kTask);
  EXPECT_EQ(CauseOf(absl::FailedPreconditionError("")), FailureCause::kTask);
  EXPECT_EQ(CauseOf(absl::InternalError("")), FailureCause::kDevice);
  EXPECT_EQ(CauseOf(absl::UnknownError("")), FailureCause::kDevice);
}

}  // namespace
}  // namespace lwq::worker
