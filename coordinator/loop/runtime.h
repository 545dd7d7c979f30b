// SPDX-License-Identifier: Apache-2.0
// The one loop: events in, the pure scheduler, a group commit, replies out.
//
// One thread owns the state. It takes every event that has arrived, steps through them, commits what they changed in
// one transaction, and only then lets replies, reads and watchers see it (persist before act). While a commit waits for
// the disk the next batch gathers, so throughput grows with load.
//
// When a commit fails, nothing of the batch has left the process: every caller is told UNAVAILABLE, the loop ends, and
// `on_end` is called; the store holds the last good state and the process must be restarted. So it is also when another
// coordinator has taken a later term, which `end_status` tells by ABORTED.
//
// Thread-safety: every method may be called from any thread; callbacks run on the loop's thread and must not block.
// Ownership: the clock must outlive the runtime. Not here: gRPC (service/), decisions (scheduler/).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "common/sync/mutex.h"
#include "coordinator/loop/clock.h"
#include "coordinator/scheduler/step/step.h"
#include "coordinator/store/store.h"

namespace lwq::coordinator {

// UNAVAILABLE: what is answered once the loop has ended.
Status Stopping();

// Tells somebody of a run or a sweep whenever it has changed. Called on the loop's thread, one call at a time.
class Watcher {
 public:
  virtual ~Watcher() = default;
  enum class News {
    kNone,
    kSome,  // not all has been sent
    kOver,  // all has been sent, and nothing will change any more
  };
  // An error ends the watch with it: NOT_FOUND, INVALID_ARGUMENT.
  virtual StatusOr<News> Look(const State& state) = 0;
  // Whether the last message has gone out and the watcher is still there for the next. The loop looks again after Wake.
  virtual bool Ready() = 0;
  // It is sent at most one message in so many intervals, from one multiple of them to the next: so those that are alike
  // are served in one go.
  virtual int64_t IntervalsApart() const { return 1; }
  // Requires Ready and kSome. What does not fit one message is kSome still.
  virtual void Send(const State& state, Instant now) = 0;
  // Nothing follows: OK after kOver, the errors of Look, UNAVAILABLE (the coordinator stops).
  virtual void End(const Status& status) = 0;
  // Gone: the loop lets go of it.
  virtual bool Closed() = 0;
};

struct RuntimeOptions {
  SchedulerOptions scheduler;
  // Time is divided into such intervals, and a watcher sends at most one message in each: so all who watch a run are
  // served in one go, and one message can be made for them.
  int64_t watch_interval_ms = 100;
  // Called once, on the loop's thread, when the loop ends by itself because a commit failed.
  std::function<void()> on_end;
  // Told of every commit, on the loop's thread, once its replies are out. Must not block.
  std::function<void(std::span<const Change> changes, const State& state)> on_committed = nullptr;
};

class Runtime {
 public:
  // Takes the store's next term, loads the records and starts the loop. Errors: the store's.
  static StatusOr<std::unique_ptr<Runtime>> Start(RuntimeOptions options, std::unique_ptr<Store> store, Clock* clock);
  ~Runtime();

  // `state` is null when the status says that the loop has ended; otherwise it may be read during the call.
  using Done = std::function<void(const Status& status, const Reply& reply, const State* state)>;
  void Post(Event event, Done done);
  // Waits up to max_wait_ms for a task that fits. A newer wait of the same worker answers an older one with no lease.
  // `cancelled` is asked before a lease is given away (may be null).
  void PostLease(LeaseTask event, int64_t max_wait_ms, std::function<bool()> cancelled, Done done);

  using Reader = std::function<void(const State* state, Instant now)>;
  // `state` is null when the loop has ended.
  void Read(Reader reader);

  void Watch(std::shared_ptr<Watcher> watcher);
  // Makes the loop look at its watchers again.
  void Wake();
  int64_t watch_interval_ms() const { return options_.watch_interval_ms; }

  // The store's term that this runtime took: another at every start.
  Term term() const { return term_; }

  // Answers what waits with UNAVAILABLE and ends the loop. Idempotent.
  void Stop();
  // Why the loop has ended: OK after Stop.
  Status end_status() const;

 private:
  struct EventItem {
    Event event;
    Done done;
  };
  struct LeaseItem {
    LeaseTask event;
    int64_t deadline_ms = 0;  // of max_wait, on the steady clock
    std::function<bool()> cancelled;
    Done done;
  };
  struct ReadItem {
    Reader reader;
  };
  struct WatchItem {
    std::shared_ptr<Watcher> watcher;
  };
  using Item = std::variant<EventItem, LeaseItem, ReadItem, WatchItem>;

  struct HeldReply {
    Done done;
    Status status;
    Reply reply;
  };
  struct Watched {
    std::shared_ptr<Watcher> watcher;
    std::optional<int64_t> sent_interval;
  };

  Runtime(RuntimeOptions options, std::unique_ptr<Store> store, Term term, Clock* clock, State state);

  void Enqueue(Item item);
  static void Refuse(Item& item, const Status& status);
  void Loop();
  std::optional<int64_t> NextWakeMs(Instant now) const;
  int64_t IntervalAt(Instant now) const { return now.steady_ms / options_.watch_interval_ms; }
  // One batch; false when the commit failed.
  bool Process(std::vector<Item> items);
  void TakeChanges(std::vector<Change> changes);
  void StepInto(const Event& event, Instant now, const Done& done);
  void ServeWaiters(Instant now);
  void ServeWatchers(Instant now);
  // False: it is to be let go of.
  bool Serve(Watched& watched, Instant now);
  void End(const Status& status);

  const RuntimeOptions options_;
  const std::unique_ptr<Store> store_;
  const Term term_;  // of every commit
  Clock* const clock_;

  mutable Mutex mutex_;
  CondVar wake_;
  std::vector<Item> queue_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  Status end_status_ ABSL_GUARDED_BY(mutex_);

  // The loop's own.
  State state_;
  std::vector<Change> changes_;
  std::vector<HeldReply> replies_;
  std::list<LeaseItem> waiters_;  // oldest first
  std::list<Watched> watched_;
  bool look_at_watchers_ = false;        // at once: one is new, or ready again, or to be ended
  bool watchers_may_have_news_ = false;  // something has happened since they were looked at
  int64_t watchers_looked_at_ = -1;      // interval

  std::thread thread_;
};

}  // namespace lwq::coordinator
