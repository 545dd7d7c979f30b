// SPDX-License-Identifier: Apache-2.0
#include "coordinator/loop/background.h"

#include <algorithm>
#include <atomic>
#include <future>

#include "gtest/gtest.h"
#include "tests/unit/coordinator/manual_clock.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

class BackgroundTest : public ::testing::Test {
 protected:
  BackgroundTest() {
    StatusOr<std::unique_ptr<Runtime>> runtime =
        Runtime::Start(RuntimeOptions(), std::make_unique<MemoryStore>(), &clock_);
    LWQ_CHECK(runtime.ok(), runtime.status().ToString());
    runtime_ = *std::move(runtime);
  }

  // How many runs the state has, asked through the loop.
  size_t RunsNow() {
    std::promise<size_t> runs;
    runtime_->Read([&](const State* state, Instant) { runs.set_value(state->runs.size()); });
    return runs.get_future().get();
  }
  void Submit() {
    std::promise<Status> done;
    runtime_->Post(SubmitRun{testing::NoopSpec(1), ""},
                   [&](const Status& status, const Reply&, const State*) { done.set_value(status); });
    EXPECT_TRUE(done.get_future().get().ok());
  }

  testing::ManualClock clock_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(BackgroundTest, TheLoopGoesOnWhileAnAnswerIsComputedAndEachLookSeesTheStateAsItIs) {
  Background background(runtime_.get(), {});
  std::promise<void> looked, go_on;
  std::promise<std::pair<size_t, size_t>> seen;
  ASSERT_TRUE(background.Post([&](StateReader& reader) {
    size_t before = 0, after = 0;
    EXPECT_TRUE(reader.Look([&](const State& state) { before = state.runs.size(); }).ok());
    looked.set_value();
    go_on.get_future().wait();
    EXPECT_TRUE(reader.Look([&](const State& state) { after = state.runs.size(); }).ok());
    seen.set_value({before, after});
  }));
  looked.get_future().wait();
  Submit();
  EXPECT_EQ(RunsNow(), 1u) << "asked while the job has not ended";
  go_on.set_value();
  EXPECT_EQ(seen.get_future().get(), std::pair(size_t{0}, size_t{1}));
}

TEST_F(BackgroundTest, JobsAreDoneInTheirOrderAndMoreThanTheLimitAreNotTaken) {
  std::promise<void> started, go_on;
  std::vector<size_t> order;
  {
    Background background(runtime_.get(), {});
    ASSERT_TRUE(background.Post([&](StateReader&) {
      started.set_value();
      go_on.get_future().wait();
    }));
    started.get_future().wait();
    for (size_t i = 0; i < Background::kMaxWaiting; ++i) {
      EXPECT_TRUE(background.Post([&order, i](StateReader&) { order.push_back(i); }));
    }
    EXPECT_FALSE(background.Post([](StateReader&) { ADD_FAILURE() << "it was not taken"; }));
    go_on.set_value();
  }
  ASSERT_EQ(order.size(), Background::kMaxWaiting) << "what was taken is done before the end";
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(BackgroundTest, SeveralThreadsTakeJobsAndAPartIsTakenEvenAtTheEnd) {
  std::atomic<int> parts = 0;
  {
    Background background(runtime_.get(), {.threads = 3, .nice = 1});
    std::promise<void> second_runs;
    std::future<void> second_is_running = second_runs.get_future();
    // The first job waits for the second, so they are on two threads.
    ASSERT_TRUE(background.Post([&](StateReader&) {
      second_is_running.wait();
      for (int i = 0; i < 5; ++i) background.PostAnyway([&](StateReader&) { ++parts; });
    }));
    ASSERT_TRUE(background.Post([&](StateReader&) { second_runs.set_value(); }));
  }
  EXPECT_EQ(parts, 5);
}

TEST_F(BackgroundTest, ALookFailsOnceTheLoopHasEnded) {
  Background background(runtime_.get(), {});
  runtime_->Stop();
  std::promise<Status> status;
  ASSERT_TRUE(background.Post([&](StateReader& reader) {
    status.set_value(reader.Look([](const State&) { ADD_FAILURE() << "there is no state"; }));
  }));
  EXPECT_TRUE(absl::IsUnavailable(status.get_future().get()));
}

}  // namespace
}  // namespace lwq::coordinator
