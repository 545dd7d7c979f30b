// SPDX-License-Identifier: Apache-2.0
#include "coordinator/loop/runtime.h"
#include "common/sync/mutex.h"

#include <future>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/manual_clock.h"
#include "tests/unit/coordinator/scheduler_harness.h"

namespace lwq::coordinator {
namespace {

using ::testing::HasSubstr;
using testing::HonestSuccess;
using testing::ManualClock;
using testing::NoopSpec;
using testing::WorkerNamed;

struct Answer {
  Status status;
  Reply reply;
};

// A store whose disk the test holds: commits wait until they are let through, and can be made to fail.
class GatedStore : public Store {
 public:
  StatusOr<Term> TakeTerm() override { return inner_.TakeTerm(); }
  StatusOr<Records> Load() override { return inner_.Load(); }
  Status Commit(Term term, std::span<const Change> changes) override {
    MutexLock lock(&mutex_);
    ++commits_;
    changed_.NotifyAll();
    changed_.Wait(lock, [&] { return open_; });
    return inner_.Commit(term, changes);
  }
  std::string Describe() const override { return "gated"; }

  void SetOpen(bool open) {
    const MutexLock lock(&mutex_);
    open_ = open;
    changed_.NotifyAll();
  }
  void AwaitCommits(int count) {
    MutexLock lock(&mutex_);
    changed_.Wait(lock, [&] { return commits_ >= count; });
  }
  int commits() {
    const MutexLock lock(&mutex_);
    return commits_;
  }
  MemoryStore& inner() { return inner_; }

 private:
  MemoryStore inner_;
  Mutex mutex_;
  CondVar changed_;
  bool open_ = true;
  int commits_ = 0;
};

class RuntimeTest : public ::testing::Test {
 protected:
  RuntimeTest() { Start(); }

  void Start() {
    auto store = std::make_unique<GatedStore>();
    store_ = store.get();
    RuntimeOptions options;
    options.on_end = [this] { ended_.set_value(); };
    StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(std::move(options), std::move(store), &clock_);
    LWQ_CHECK(runtime.ok(), runtime.status().ToString());
    runtime_ = *std::move(runtime);
  }

  std::future<Answer> Post(Event event) {
    auto promise = std::make_shared<std::promise<Answer>>();
    runtime_->Post(std::move(event), [promise](const Status& status, const Reply& reply, const State*) {
      promise->set_value({status, reply});
    });
    return promise->get_future();
  }
  std::future<Answer> WaitForLease(const WorkerId& worker, int64_t max_wait_ms,
                                   std::function<bool()> cancelled = nullptr) {
    auto promise = std::make_shared<std::promise<Answer>>();
    runtime_->PostLease(LeaseTask{worker}, max_wait_ms, std::move(cancelled),
                        [promise](const Status& status, const Reply& reply, const State*) {
                          promise->set_value({status, reply});
                        });
    return promise->get_future();
  }
  // Everything posted before has been served.
  void Sync() {
    std::promise<void> done;
    runtime_->Read([&](const State*, Instant) { done.set_value(); });
    done.get_future().wait();
  }
  WorkerId Register(const std::string& name) {
    return std::get<RegisterReply>(Post(RegisterWorker{WorkerNamed(name)}).get().reply).worker;
  }
  RunId Submit(const RunSpec& spec) { return std::get<RunReply>(Post(SubmitRun{spec, ""}).get().reply).run; }
  static std::optional<Lease> LeaseIn(const Answer& answer) {
    return answer.status.ok() ? std::get<LeaseReply>(answer.reply).lease : std::nullopt;
  }
  static ReportTask Success(const WorkerId& worker, const Lease& lease) {
    ReportTask report;
    report.worker = worker;
    report.task = lease.task;
    report.token = lease.token;
    report.outcome = HonestSuccess(lease);
    return report;
  }

  ManualClock clock_;
  GatedStore* store_ = nullptr;
  std::promise<void> ended_;
  std::unique_ptr<Runtime> runtime_;
};

bool Ready(std::future<Answer>& answer) {
  return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

TEST_F(RuntimeTest, NoReplyLeavesBeforeItsChangesAreStored) {
  Sync();
  const int before = store_->commits();
  store_->SetOpen(false);
  std::future<Answer> answer = Post(SubmitRun{NoopSpec(1), ""});
  store_->AwaitCommits(before + 1);
  EXPECT_FALSE(Ready(answer)) << "the commit is on its way to the disk";
  EXPECT_TRUE(store_->inner().Load()->runs.empty());
  store_->SetOpen(true);
  EXPECT_TRUE(answer.get().status.ok());
  EXPECT_EQ(store_->inner().Load()->runs.size(), 1u);
}

TEST_F(RuntimeTest, WhatArrivesDuringACommitSharesTheNextOne) {
  Sync();
  const int before = store_->commits();
  store_->SetOpen(false);
  std::future<Answer> first = Post(SubmitRun{NoopSpec(1, 1), ""});
  store_->AwaitCommits(before + 1);
  std::vector<std::future<Answer>> rest;
  for (int i = 2; i < 50; ++i) rest.push_back(Post(SubmitRun{NoopSpec(1, i), ""}));
  store_->SetOpen(true);
  for (std::future<Answer>& answer : rest) EXPECT_TRUE(answer.get().status.ok());
  EXPECT_EQ(store_->commits(), before + 2) << "one for the first, one for the other 48";
}

TEST_F(RuntimeTest, AFailedCommitAnswersUnavailableAndEndsTheLoop) {
  Sync();
  store_->inner().set_commit_status(absl::ResourceExhaustedError("disk full"));
  const Answer answer = Post(SubmitRun{NoopSpec(1), ""}).get();
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(MessageOf(answer.status)), HasSubstr("disk full"));
  ended_.get_future().wait();
  EXPECT_EQ(runtime_->end_status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Post(SubmitRun{NoopSpec(1), ""}).get().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(store_->inner().Load()->runs.empty());
}

TEST_F(RuntimeTest, ALoopWhoseTermIsOverStoresNothingMoreAndEnds) {
  Sync();
  ASSERT_TRUE(store_->inner().TakeTerm().ok());  // another coordinator leads
  const Answer answer = Post(SubmitRun{NoopSpec(1), ""}).get();
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable);
  ended_.get_future().wait();
  EXPECT_EQ(runtime_->end_status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(MessageOf(runtime_->end_status())), HasSubstr("another coordinator has taken over"));
  EXPECT_TRUE(store_->inner().Load()->runs.empty());
}

TEST_F(RuntimeTest, AWorkerThatWaitsGetsATaskAsSoonAsThereIsOne) {
  const WorkerId worker = Register("a");
  std::future<Answer> waiting = WaitForLease(worker, 60'000);
  Sync();
  EXPECT_FALSE(Ready(waiting));
  Submit(NoopSpec(1));
  EXPECT_TRUE(LeaseIn(waiting.get()).has_value());
}

TEST_F(RuntimeTest, AWaitEndsEmptyWhenItsTimeIsOver) {
  const WorkerId worker = Register("a");
  std::future<Answer> waiting = WaitForLease(worker, 500);
  Sync();
  clock_.Advance(499);
  Sync();
  EXPECT_FALSE(Ready(waiting));
  clock_.Advance(1);
  const Answer answer = waiting.get();
  EXPECT_TRUE(answer.status.ok());
  EXPECT_FALSE(LeaseIn(answer).has_value());
}

TEST_F(RuntimeTest, AWaitAloneIsNoSignOfLife) {
  const WorkerId worker = Register("a");
  std::future<Answer> waiting = WaitForLease(worker, 60'000);
  Sync();
  clock_.Advance(8'001);
  bool alive = true;
  std::promise<void> done;
  runtime_->Read([&](const State* state, Instant) {
    alive = state->workers.at(worker).alive;
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_FALSE(alive);
  EXPECT_FALSE(Ready(waiting));
}

TEST_F(RuntimeTest, ANewerWaitOfAWorkerAnswersTheOlderOne) {
  const WorkerId worker = Register("a");
  std::future<Answer> older = WaitForLease(worker, 60'000);
  std::future<Answer> newer = WaitForLease(worker, 60'000);
  EXPECT_FALSE(LeaseIn(older.get()).has_value());
  Submit(NoopSpec(1));
  EXPECT_TRUE(LeaseIn(newer.get()).has_value());
}

TEST_F(RuntimeTest, NothingIsGivenToAWorkerThatHasHungUp) {
  const WorkerId gone = Register("a");
  const WorkerId there = Register("b");
  std::future<Answer> hung_up = WaitForLease(gone, 60'000, [] { return true; });
  Submit(NoopSpec(1));
  EXPECT_EQ(hung_up.get().status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(LeaseIn(WaitForLease(there, 0).get()).has_value());
}

TEST_F(RuntimeTest, TimersFireWithoutAnyEvent) {
  const WorkerId worker = Register("a");
  Submit(NoopSpec(1));
  const Lease lease = *LeaseIn(WaitForLease(worker, 0).get());
  const WorkerId other = Register("b");
  std::future<Answer> waiting = WaitForLease(other, 60'000);
  Sync();
  clock_.Advance(8'000);  // the first worker's lease ends
  const std::optional<Lease> again = LeaseIn(waiting.get());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->task, lease.task);
}

// Collects what a watcher is sent.
class RecordingWatcher : public Watcher {
 public:
  explicit RecordingWatcher(const RunId& run) : run_(run) {}

  StatusOr<News> Look(const State& state) override {
    LWQ_ASSIGN_OR_RETURN(const RunId id, FindRun(state, run_.value));
    const RunEntry& run = state.runs.at(id);
    if (known_ != run.revision) return News::kSome;
    return IsTerminal(run.record.state) ? News::kOver : News::kNone;
  }
  bool Ready() override {
    const MutexLock lock(&mutex_);
    return ready_ && !ended_;
  }
  void Send(const State& state, Instant now) override {
    const RunEntry& run = state.runs.at(run_);
    const MutexLock lock(&mutex_);
    states_.push_back(run.record.state);
    moments_ms_.push_back(now.steady_ms);
    changed_.NotifyAll();
    known_ = run.revision - std::exchange(behind_, 0);
  }
  void End(const Status& status) override {
    const MutexLock lock(&mutex_);
    ended_ = true;
    end_ = status;
    changed_.NotifyAll();
  }
  bool Closed() override { return false; }

  // The next message is so many revisions old.
  void SetBehind(uint64_t revisions) {
    const MutexLock lock(&mutex_);
    behind_ = revisions;
  }
  void SetReady(bool ready) {
    const MutexLock lock(&mutex_);
    ready_ = ready;
  }
  Status AwaitEnd() {
    MutexLock lock(&mutex_);
    changed_.Wait(lock, [&] { return ended_; });
    return end_;
  }
  void AwaitMessages(size_t count) {
    MutexLock lock(&mutex_);
    changed_.Wait(lock, [&] { return states_.size() >= count; });
  }
  std::vector<int64_t> moments_ms() {
    const MutexLock lock(&mutex_);
    return moments_ms_;
  }
  std::vector<RunState> states() {
    const MutexLock lock(&mutex_);
    return states_;
  }

 private:
  const RunId run_;
  uint64_t known_ = 0;  // the loop's thread alone
  Mutex mutex_;
  CondVar changed_;
  bool ready_ = true;
  uint64_t behind_ = 0;
  bool ended_ = false;
  Status end_;
  std::vector<RunState> states_;
  std::vector<int64_t> moments_ms_;
};

TEST_F(RuntimeTest, AWatcherIsSentTheRunAtOnceAndTheTerminalStateLast) {
  const WorkerId worker = Register("a");
  const RunId run = Submit(NoopSpec(1));
  auto watcher = std::make_shared<RecordingWatcher>(run);
  runtime_->Watch(watcher);
  watcher->AwaitMessages(1);
  EXPECT_EQ(watcher->states().back(), RunState::kRunning);
  const Lease lease = *LeaseIn(WaitForLease(worker, 0).get());
  Post(Success(worker, lease)).get();
  clock_.Advance(100);
  EXPECT_TRUE(watcher->AwaitEnd().ok());
  EXPECT_EQ(watcher->states().back(), RunState::kSucceeded);
}

TEST_F(RuntimeTest, AWatcherIsSentAtMostOneMessageInItsInterval) {
  const WorkerId worker = Register("a");
  const RunId run = Submit(NoopSpec(50));
  auto watcher = std::make_shared<RecordingWatcher>(run);
  runtime_->Watch(watcher);
  watcher->AwaitMessages(1);
  for (int i = 0; i < 50; ++i) Post(Success(worker, *LeaseIn(WaitForLease(worker, 0).get()))).get();
  Sync();
  EXPECT_EQ(watcher->states().size(), 1u) << "no time has passed";
  clock_.Advance(100);
  EXPECT_TRUE(watcher->AwaitEnd().ok());
  EXPECT_EQ(watcher->states().size(), 2u);
}

TEST_F(RuntimeTest, WhoWatchARunAreServedTogetherWheneverTheyCame) {
  const WorkerId worker = Register("a");
  const RunId run = Submit(NoopSpec(10));
  const auto work = [&] { Post(Success(worker, *LeaseIn(WaitForLease(worker, 0).get()))).get(); };
  const auto early = std::make_shared<RecordingWatcher>(run);
  const auto late = std::make_shared<RecordingWatcher>(run);
  runtime_->Watch(early);
  early->AwaitMessages(1);
  clock_.Advance(40);
  runtime_->Watch(late);
  late->AwaitMessages(1);
  for (size_t message = 2; message <= 4; ++message) {
    work();
    clock_.Advance(100);
    early->AwaitMessages(message);
    late->AwaitMessages(message);
    EXPECT_EQ(early->moments_ms().back(), late->moments_ms().back());
  }
}

TEST_F(RuntimeTest, AWatcherThatWasSentAnOlderRevisionIsSentTheRestThoughNothingMoreHappens) {
  const RunId run = Submit(NoopSpec(1));
  auto watcher = std::make_shared<RecordingWatcher>(run);
  watcher->SetBehind(1);
  runtime_->Watch(watcher);
  watcher->AwaitMessages(1);
  Sync();
  EXPECT_EQ(watcher->states().size(), 1u);
  clock_.Advance(100);
  watcher->AwaitMessages(2);
}

TEST_F(RuntimeTest, AWatcherThatIsNotReadyMissesNothingThatMatters) {
  const WorkerId worker = Register("a");
  const RunId run = Submit(NoopSpec(1));
  auto watcher = std::make_shared<RecordingWatcher>(run);
  watcher->SetReady(false);
  runtime_->Watch(watcher);
  Post(Success(worker, *LeaseIn(WaitForLease(worker, 0).get()))).get();
  EXPECT_TRUE(watcher->states().empty());
  watcher->SetReady(true);
  runtime_->Wake();
  EXPECT_TRUE(watcher->AwaitEnd().ok());
  EXPECT_EQ(watcher->states(), std::vector<RunState>{RunState::kSucceeded});
}

TEST_F(RuntimeTest, WatchingARunThatDoesNotExistEndsWithNotFound) {
  auto watcher = std::make_shared<RecordingWatcher>(RunId{"ffffffff"});
  runtime_->Watch(watcher);
  EXPECT_EQ(watcher->AwaitEnd().code(), absl::StatusCode::kNotFound);
}

TEST_F(RuntimeTest, StopAnswersEveryoneWhoWaits) {
  const WorkerId worker = Register("a");
  const RunId run = Submit(testing::BlockApSpec(1));
  Post(CancelRun{run.value}).get();
  const RunId other = Submit(NoopSpec(1));
  const Lease held = *LeaseIn(WaitForLease(worker, 0).get());
  (void)held;
  const WorkerId idle = Register("b");
  std::future<Answer> waiting = WaitForLease(idle, 60'000);
  auto watcher = std::make_shared<RecordingWatcher>(other);
  runtime_->Watch(watcher);
  Sync();
  runtime_->Stop();
  EXPECT_EQ(waiting.get().status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(watcher->AwaitEnd().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(runtime_->end_status().ok());
  EXPECT_EQ(Post(Tick{}).get().status.code(), absl::StatusCode::kUnavailable);
  bool read_null = false;
  runtime_->Read([&](const State* state, Instant) { read_null = state == nullptr; });
  EXPECT_TRUE(read_null);
}

TEST_F(RuntimeTest, AStoreThatCannotBeLoadedIsAnErrorAtStart) {
  class BrokenStore : public MemoryStore {
    StatusOr<Records> Load() override { return absl::DataLossError("damaged"); }
  };
  const auto runtime = Runtime::Start({}, std::make_unique<BrokenStore>(), &clock_);
  EXPECT_EQ(runtime.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace lwq::coordinator
