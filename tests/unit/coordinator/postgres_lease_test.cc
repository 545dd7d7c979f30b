// SPDX-License-Identifier: Apache-2.0
// The lease of a real PostgreSQL. Its end is put into the past where a test wants it over: nobody waits for it.
#include "coordinator/election/postgres_lease.h"

#include "coordinator/store/postgres_store.h"
#include "gtest/gtest.h"
#include "tests/testing/postgres_server.h"

namespace lwq::coordinator {
namespace {

using std::chrono::hours;

class PostgresLeaseTest : public ::testing::Test {
 protected:
  PostgresLeaseTest() { LWQ_CHECK(OpenPostgresStore(uri_).ok(), "the database is not migrated"); }

  std::unique_ptr<LeadLease> Of(const std::string& name) const {
    return MakePostgresLease(uri_, {.id = "id of " + name, .address = name + ":7070"}, hours(1));
  }
  void EndLease() const {
    server_.Execute(uri_, "UPDATE lwq.lead_lease SET ends = clock_timestamp() - interval '1 second'");
  }

  test::PostgresServer& server_ = test::TestPostgres();
  const std::string uri_ = server_.NewDatabase();
  const std::unique_ptr<LeadLease> a_ = Of("a");
  const std::unique_ptr<LeadLease> b_ = Of("b");
};

TEST_F(PostgresLeaseTest, IsTheFirstOnesUntilItEndsAndThenTheNextOnes) {
  EXPECT_TRUE(a_->Take()->own);
  const Lead seen_by_b = b_->Take().value();
  EXPECT_FALSE(seen_by_b.own);
  EXPECT_EQ(seen_by_b.address, "a:7070");
  EXPECT_TRUE(a_->Renew()->own);

  EndLease();
  EXPECT_TRUE(b_->Take()->own);
  const Lead seen_by_a = a_->Renew().value();
  EXPECT_FALSE(seen_by_a.own);
  EXPECT_EQ(seen_by_a.address, "b:7070");
  EXPECT_FALSE(a_->Take()->own);
}

TEST_F(PostgresLeaseTest, ARenewalSavesALeaseThatHasEndedWhileNobodyTookIt) {
  EXPECT_TRUE(a_->Take()->own);
  EndLease();
  EXPECT_TRUE(a_->Renew()->own);
  EXPECT_FALSE(b_->Take()->own);
}

TEST_F(PostgresLeaseTest, IsTheNextOnesAtOnceWhenReleasedAndByNobodyElse) {
  EXPECT_TRUE(a_->Take()->own);
  ASSERT_TRUE(b_->Release().ok());
  EXPECT_FALSE(b_->Take()->own);
  ASSERT_TRUE(a_->Release().ok());
  EXPECT_TRUE(b_->Take()->own);
}

TEST_F(PostgresLeaseTest, IsTakenByForceFromWhoeverHasIt) {
  EXPECT_TRUE(a_->Take()->own);
  EXPECT_TRUE(b_->TakeByForce()->own);
  EXPECT_FALSE(a_->Renew()->own);
}

TEST_F(PostgresLeaseTest, IsAskedForInANewSessionWhenTheLastHasEnded) {
  EXPECT_TRUE(a_->Take()->own);
  server_.EndSessions(uri_);
  EXPECT_FALSE(a_->Renew().ok()) << "the session that has ended is noticed";
  EXPECT_TRUE(a_->Renew()->own);
}

}  // namespace
}  // namespace lwq::coordinator
