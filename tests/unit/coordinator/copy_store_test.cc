// SPDX-License-Identifier: Apache-2.0
// A coordinator that starts on a copy of its records is the one that it was.
#include "coordinator/store/copy_store.h"

#include "coordinator/scheduler/state/restore.h"
#include "coordinator/store/memory_store.h"
#include "coordinator/store/postgres_store.h"
#include "coordinator/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/postgres_server.h"
#include "tests/testing/process.h"
#include "tests/unit/coordinator/halved_sweeps.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using testing::DescribeDurable;
using ::testing::HasSubstr;
using testing::SchedulerHarness;

class CopyStoreTest : public ::testing::Test {
 protected:
  std::string DescribeFrom(Store& store) const {
    StatusOr<State> state = RestoreState(store.Load().value(), {}, {.steady_ms = 1, .unix_ms = 1});
    LWQ_CHECK(state.ok(), state.status().ToString());
    return DescribeDurable(*state);
  }
  std::unique_ptr<Store> Sqlite(const std::string& name) const {
    return OpenSqliteStore(directory_.path() + "/" + name).value();
  }

  const test::TemporaryDirectory directory_;
  const std::string postgres_uri_ = test::TestPostgres().NewDatabase();
};

TEST_F(CopyStoreTest, FromOneKindToTheOtherAndBackNothingIsLost) {
  SchedulerHarness harness;
  const WorkerId worker = harness.Register("w");
  const RunId ended = harness.Submit(testing::BlockApSpec(2), "a request");
  harness.RunToEnd(worker);
  ASSERT_EQ(harness.run(ended).record.state, RunState::kSucceeded);
  testing::AcceptedSweep(harness, testing::HalvedSweep(4, 4, testing::HalvingBy(2), "a sweep"));
  testing::RunArmsToEnd(harness, worker, [](int64_t arm, int64_t block) { return static_cast<double>(arm + block); });
  ASSERT_FALSE(harness.store().Load()->sweeps.front().rung_results.empty());
  harness.Submit(testing::BlockApSpec(3), "not begun");
  const std::string before = DescribeFrom(harness.store());

  const std::unique_ptr<Store> postgres = OpenPostgresStore(postgres_uri_).value();
  const StatusOr<CopiedCounts> there = CopyStore(harness.store(), *postgres);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->runs, 6u);
  EXPECT_EQ(there->sweeps, 1u);
  EXPECT_GT(there->tasks, 0u);
  EXPECT_GT(there->results, 0u);
  EXPECT_EQ(there->workers, 1u);
  EXPECT_EQ(DescribeFrom(*postgres), before);
  const std::unique_ptr<Store> sqlite = Sqlite("state.db");
  ASSERT_TRUE(CopyStore(*postgres, *sqlite).ok());
  EXPECT_EQ(DescribeFrom(*sqlite), before);
  const Records original = harness.store().Load().value();
  const Records copied = sqlite->Load().value();
  EXPECT_EQ(copied.sweeps.front().rung_results, original.sweeps.front().rung_results);
  EXPECT_EQ(copied.logs.size(), original.logs.size());
  EXPECT_EQ(copied.requests.size(), original.requests.size());
  EXPECT_EQ(copied.next_worker, original.next_worker);
  EXPECT_EQ(copied.token_floor, original.token_floor);
}

TEST_F(CopyStoreTest, OneWithRecordsIsNotWrittenToAndOneWithoutIsNotCopied) {
  const std::unique_ptr<Store> empty = Sqlite("empty.db");
  MemoryStore target;
  const Status nothing = CopyStore(*empty, target).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(nothing));
  EXPECT_THAT(std::string(nothing.message()), HasSubstr("empty.db has no records: there is nothing to copy"));

  SchedulerHarness harness;
  harness.Submit(testing::RtnSpec(2));
  SchedulerHarness other;
  other.Register("w");
  const Status taken = CopyStore(harness.store(), other.store()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(taken));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("has records already: copy into one that is new"));
  EXPECT_TRUE(other.store().Load()->runs.empty());
}

}  // namespace
}  // namespace lwq::coordinator
