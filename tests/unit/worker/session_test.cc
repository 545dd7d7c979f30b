// SPDX-License-Identifier: Apache-2.0
#include "worker/session/session.h"

#include <set>

#include "gtest/gtest.h"

namespace lwq::worker {
namespace {

Session Idle() {
  Session session(1);
  session.OnRegistered();
  return session;
}

Session Reporting() {
  Session session = Idle();
  session.OnLeaseAnswered(true);
  session.OnExecuted();
  return session;
}

TEST(SessionTest, AWorkerRegistersLeasesExecutesReportsAndLeasesAgain) {
  Session session(1);
  EXPECT_EQ(session.Next().step, Step::kRegister);
  session.OnRegistered();
  EXPECT_EQ(session.Next().step, Step::kLease);
  session.OnLeaseAnswered(false);
  EXPECT_EQ(session.Next().step, Step::kLease);
  session.OnLeaseAnswered(true);
  EXPECT_EQ(session.Next().step, Step::kExecute);
  session.OnExecuted();
  EXPECT_EQ(session.Next().step, Step::kReport);
  session.OnReported(false);
  EXPECT_EQ(session.Next().step, Step::kLease);
}

TEST(SessionTest, AReportAnsweredWithTheNextLeaseLeadsStraightToItsExecution) {
  Session session = Reporting();
  session.OnReported(true);
  EXPECT_EQ(session.Next().step, Step::kExecute);
}

struct Row {
  Call call;
  absl::StatusCode code;
  Step next;
  bool fatal;
};

class ReactionTest : public testing::TestWithParam<Row> {};

TEST_P(ReactionTest, EveryFailureOfEveryCallHasItsReaction) {
  const Row& row = GetParam();
  Session session(1);
  if (row.call == Call::kLease) session = Idle();
  if (row.call == Call::kReport) session = Reporting();
  session.OnCallFailed(row.call, Status(row.code, "why"));
  EXPECT_EQ(session.Next().step, row.next);
  EXPECT_EQ(session.fatal().ok(), !row.fatal);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ReactionTest,
    testing::Values(Row{Call::kRegister, absl::StatusCode::kUnavailable, Step::kRegister, false},
                    Row{Call::kRegister, absl::StatusCode::kDeadlineExceeded, Step::kRegister, false},
                    Row{Call::kRegister, absl::StatusCode::kInvalidArgument, Step::kExit, true},
                    Row{Call::kRegister, absl::StatusCode::kUnauthenticated, Step::kExit, true},
                    Row{Call::kRegister, absl::StatusCode::kUnimplemented, Step::kExit, true},
                    Row{Call::kLease, absl::StatusCode::kUnavailable, Step::kLease, false},
                    Row{Call::kLease, absl::StatusCode::kCancelled, Step::kLease, false},
                    Row{Call::kLease, absl::StatusCode::kNotFound, Step::kRegister, false},
                    Row{Call::kLease, absl::StatusCode::kResourceExhausted, Step::kLease, false},
                    Row{Call::kLease, absl::StatusCode::kInternal, Step::kExit, true},
                    Row{Call::kReport, absl::StatusCode::kUnavailable, Step::kReport, false},
                    Row{Call::kReport, absl::StatusCode::kNotFound, Step::kRegister, false},
                    Row{Call::kReport, absl::StatusCode::kAborted, Step::kLease, false},
                    Row{Call::kReport, absl::StatusCode::kResourceExhausted, Step::kReportRefusal, false},
                    Row{Call::kReport, absl::StatusCode::kInternal, Step::kReportRefusal, false},
                    Row{Call::kReport, absl::StatusCode::kInvalidArgument, Step::kReportRefusal, false},
                    Row{Call::kLease, absl::StatusCode::kUnauthenticated, Step::kLease, false},
                    Row{Call::kLease, absl::StatusCode::kPermissionDenied, Step::kExit, true},
                    Row{Call::kReport, absl::StatusCode::kUnauthenticated, Step::kReport, false},
                    Row{Call::kReport, absl::StatusCode::kPermissionDenied, Step::kExit, true}));

TEST(SessionTest, ARefusedReportIsReplacedOnceAndTheWorkerGoesOn) {
  Session session = Reporting();
  session.OnCallFailed(Call::kReport, absl::InternalError("not UTF-8"));
  EXPECT_EQ(session.refusal(), absl::InternalError("not UTF-8"));
  EXPECT_EQ(session.Next().delay_ms, 0);
  session.OnCallFailed(Call::kReport, absl::UnavailableError("away"));
  EXPECT_EQ(session.Next().step, Step::kReportRefusal);
  session.OnCallFailed(Call::kReport, absl::NotFoundError("unknown worker"));
  session.OnRegistered();
  EXPECT_EQ(session.Next().step, Step::kReportRefusal);
  session.OnReported(true);
  EXPECT_EQ(session.Next().step, Step::kExecute);
  session.OnExecuted();
  EXPECT_EQ(session.Next().step, Step::kReport) << "the next outcome has a report of its own";
}

TEST(SessionTest, AReplacementThatIsRefusedTooEndsTheWorker) {
  Session session = Reporting();
  session.OnCallFailed(Call::kReport, absl::ResourceExhaustedError("too large"));
  session.OnCallFailed(Call::kReport, absl::InternalError("not readable"));
  EXPECT_EQ(session.Next().step, Step::kExit);
  EXPECT_EQ(session.fatal(), absl::InternalError("not readable"));
}

TEST(SessionTest, AResultInHandSurvivesRegisteringAgain) {
  Session session = Reporting();
  session.OnCallFailed(Call::kReport, absl::NotFoundError("unknown worker"));
  session.OnRegistered();
  EXPECT_EQ(session.Next().step, Step::kReport);
}

TEST(SessionTest, ADrainingWorkerFinishesAndReportsWhatItHasAndAsksForNothingMore) {
  Session session = Idle();
  session.OnLeaseAnswered(true);
  session.RequestDrain();
  EXPECT_EQ(session.Next().step, Step::kExecute);
  session.OnExecuted();
  EXPECT_EQ(session.Next().step, Step::kReport);
  session.OnReported(false);
  EXPECT_EQ(session.Next().step, Step::kExit);
  EXPECT_TRUE(session.fatal().ok());
}

TEST(SessionTest, ADrainingWorkerBacksOffAndReportsUntilTheDrainEnds) {
  Session session = Reporting();
  session.RequestDrain();
  for (int i = 0; i < 20; ++i) {
    session.OnCallFailed(Call::kReport, absl::UnavailableError("restarting"));
    EXPECT_EQ(session.Next().step, Step::kReport);
    EXPECT_GT(session.Next().delay_ms, 0);
    EXPECT_TRUE(session.Next().has_outcome) << "what asks for no more work must still wait";
  }
  session.OnCallFailed(Call::kReport, absl::NotFoundError("unknown worker"));
  session.OnCallFailed(Call::kRegister, absl::UnavailableError("restarting"));
  EXPECT_EQ(session.Next().step, Step::kRegister);
  EXPECT_TRUE(session.Next().has_outcome);
  session.EndDrain();
  EXPECT_EQ(session.Next().step, Step::kExit);
  EXPECT_TRUE(session.fatal().ok());
}

TEST(SessionTest, AnOutcomeOfTheEndOfTheDrainIsReportedOnce) {
  Session session = Idle();
  session.OnLeaseAnswered(true);
  session.RequestDrain();
  session.EndDrain();
  EXPECT_EQ(session.Next().step, Step::kExecute);
  session.OnExecuted();
  EXPECT_EQ(session.Next().step, Step::kReport);
  session.OnCallFailed(Call::kReport, absl::UnavailableError("gone"));
  EXPECT_EQ(session.Next().step, Step::kExit);
}

TEST(SessionTest, WaitsWithNothingInHandAreCutShortByADrain) {
  Session session = Idle();
  session.OnCallFailed(Call::kLease, absl::UnavailableError("gone"));
  EXPECT_FALSE(session.Next().has_outcome);
  session.OnCallFailed(Call::kLease, absl::NotFoundError("unknown worker"));
  session.OnCallFailed(Call::kRegister, absl::UnavailableError("gone"));
  EXPECT_FALSE(session.Next().has_outcome);
}

TEST(SessionTest, AWorkerThatIsNotDrainingKeepsItsResultHoweverLongTheCoordinatorIsGone) {
  Session session = Reporting();
  for (int i = 0; i < 1000; ++i) session.OnCallFailed(Call::kReport, absl::UnavailableError("gone"));
  EXPECT_EQ(session.Next().step, Step::kReport);
  EXPECT_LE(session.Next().delay_ms, 5000);
}

TEST(BackOffTest, DelaysGrowToFiveSecondsAndNeverFallBelowHalf) {
  EXPECT_EQ(BackOffMs(0, 7), 0);
  for (int failures = 1; failures < 100; ++failures) {
    const int64_t full = std::min<int64_t>(5000, failures > 6 ? 5000 : 100LL << (failures - 1));
    for (uint64_t spread = 0; spread < 10'000; spread += 37) {
      EXPECT_LE(BackOffMs(failures, spread), full);
      EXPECT_GT(BackOffMs(failures, spread), full / 2);
    }
  }
}

TEST(BackOffTest, WorkersThatFailTogetherDoNotRetryTogether) {
  std::set<int64_t> delays;
  for (uint64_t seed = 0; seed < 32; ++seed) {
    Session session(seed);
    for (int i = 0; i < 10; ++i) session.OnCallFailed(Call::kRegister, absl::UnavailableError("down"));
    delays.insert(session.Next().delay_ms);
  }
  EXPECT_GT(delays.size(), 16u);
}

}  // namespace
}  // namespace lwq::worker
