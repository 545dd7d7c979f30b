// SPDX-License-Identifier: Apache-2.0
#include "coordinator/loop/runtime.h"
#include "coordinator/scheduler/state/restore.h"

#include <algorithm>
#include <utility>

#include "coordinator/scheduler/choose/task_choice.h"
#include "spdlog/spdlog.h"

namespace lwq::coordinator {
namespace {

void KeepEarlier(std::optional<int64_t>& earliest, int64_t candidate) {
  if (!earliest.has_value() || candidate < *earliest) earliest = candidate;
}

}  // namespace

Status Stopping() {
  return absl::UnavailableError("the coordinator is stopping: try again");
}

StatusOr<std::unique_ptr<Runtime>> Runtime::Start(RuntimeOptions options, std::unique_ptr<Store> store, Clock* clock) {
  LWQ_ASSIGN_OR_RETURN(const Term term, store->TakeTerm());
  LWQ_ASSIGN_OR_RETURN(Records records, store->Load());
  StatusOr<State> state = RestoreState(std::move(records), options.scheduler, clock->Now());
  if (!state.ok()) return Annotate(state.status(), store->Describe());
  spdlog::info("term {} of {}", term.number, store->Describe());
  auto runtime =
      std::unique_ptr<Runtime>(new Runtime(std::move(options), std::move(store), term, clock, *std::move(state)));
  // What the last process left unfinished is looked at first.
  runtime->Post(Tick{}, [](const Status&, const Reply&, const State*) {});
  runtime->thread_ = std::thread([loop = runtime.get()] { loop->Loop(); });
  return runtime;
}

Runtime::Runtime(RuntimeOptions options, std::unique_ptr<Store> store, Term term, Clock* clock, State state)
    : options_(std::move(options)), store_(std::move(store)), term_(term), clock_(clock), state_(std::move(state)) {}

Runtime::~Runtime() {
  Stop();
}

void Runtime::Post(Event event, Done done) {
  Enqueue(EventItem{std::move(event), std::move(done)});
}

void Runtime::PostLease(LeaseTask event, int64_t max_wait_ms, std::function<bool()> cancelled, Done done) {
  const int64_t deadline_ms = clock_->Now().steady_ms + std::max<int64_t>(0, max_wait_ms);
  Enqueue(LeaseItem{std::move(event), deadline_ms, std::move(cancelled), std::move(done)});
}

void Runtime::Read(Reader reader) {
  Enqueue(ReadItem{std::move(reader)});
}

void Runtime::Watch(std::shared_ptr<Watcher> watcher) {
  Enqueue(WatchItem{std::move(watcher)});
}

void Runtime::Wake() {
  const MutexLock lock(&mutex_);
  woken_ = true;
  wake_.NotifyOne();
}

void Runtime::Enqueue(Item item) {
  {
    const MutexLock lock(&mutex_);
    if (!stopping_ && !ended_) {
      queue_.push_back(std::move(item));
      wake_.NotifyOne();
      return;
    }
  }
  Refuse(item, Stopping());
}

void Runtime::Refuse(Item& item, const Status& status) {
  if (auto* event = std::get_if<EventItem>(&item)) event->done(status, Reply(), nullptr);
  if (auto* lease = std::get_if<LeaseItem>(&item)) lease->done(status, Reply(), nullptr);
  if (auto* read = std::get_if<ReadItem>(&item)) read->reader(nullptr, Instant());
  if (auto* watch = std::get_if<WatchItem>(&item)) watch->watcher->End(status);
}

void Runtime::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

Status Runtime::end_status() const {
  const MutexLock lock(&mutex_);
  return end_status_;
}

void Runtime::Loop() {
  MutexLock lock(&mutex_);
  while (true) {
    const Instant now = clock_->Now();
    const std::optional<int64_t> next_ms = NextWakeMs(now);
    const bool due = next_ms.has_value() && *next_ms <= now.steady_ms;
    if (queue_.empty() && !woken_ && !stopping_ && !due) {
      clock_->Wait(lock, wake_, next_ms);
      continue;
    }
    // What arrived before a stop is still served.
    std::vector<Item> items = std::exchange(queue_, {});
    look_at_watchers_ = look_at_watchers_ || woken_;
    woken_ = false;
    const bool stop = stopping_;
    lock.Unlock();
    if (!Process(std::move(items))) return;
    if (stop) {
      End(absl::OkStatus());
      return;
    }
    lock.Lock();
  }
}

std::optional<int64_t> Runtime::NextWakeMs(Instant now) const {
  std::optional<int64_t> next = NextDeadline(state_);
  for (const LeaseItem& waiter : waiters_) KeepEarlier(next, waiter.deadline_ms);
  if (look_at_watchers_) KeepEarlier(next, now.steady_ms);
  if (watchers_may_have_news_ && !watched_.empty()) {
    KeepEarlier(next, (watchers_looked_at_ + 1) * options_.watch_interval_ms);
  }
  return next;
}

void Runtime::TakeChanges(std::vector<Change> changes) {
  if (changes_.empty()) {
    changes_ = std::move(changes);
  } else {
    std::move(changes.begin(), changes.end(), std::back_inserter(changes_));
  }
}

void Runtime::StepInto(const Event& event, Instant now, const Done& done) {
  Effects effects = Step(state_, event, now);
  TakeChanges(std::move(effects.changes));
  watchers_may_have_news_ = true;
  if (done) replies_.push_back({done, std::move(effects.status), std::move(effects.reply)});
}

bool Runtime::Process(std::vector<Item> items) {
  const Instant now = clock_->Now();
  std::vector<Reader> readers;
  for (Item& item : items) {
    if (auto* event = std::get_if<EventItem>(&item)) {
      StepInto(event->event, now, event->done);
    } else if (auto* lease = std::get_if<LeaseItem>(&item)) {
      const auto older = std::find_if(waiters_.begin(), waiters_.end(), [&](const LeaseItem& waiter) {
        return waiter.event.worker == lease->event.worker;
      });
      if (older != waiters_.end()) {
        replies_.push_back({std::move(older->done), absl::OkStatus(), LeaseReply()});
        waiters_.erase(older);
      }
      // Asked once at once; who finds nothing waits.
      Effects effects = Step(state_, lease->event, now);
      TakeChanges(std::move(effects.changes));
      watchers_may_have_news_ = true;
      const auto* reply = std::get_if<LeaseReply>(&effects.reply);
      const bool empty = effects.status.ok() && reply != nullptr && !reply->lease.has_value();
      if (empty && lease->deadline_ms > now.steady_ms) {
        waiters_.push_back(std::move(*lease));
      } else {
        replies_.push_back({std::move(lease->done), std::move(effects.status), std::move(effects.reply)});
      }
    } else if (auto* read = std::get_if<ReadItem>(&item)) {
      readers.push_back(std::move(read->reader));
    } else if (auto* watch = std::get_if<WatchItem>(&item)) {
      watched_.push_back({.watcher = std::move(watch->watcher), .sent_interval = std::nullopt});
      look_at_watchers_ = true;
    }
  }
  // After what has arrived, so that a heartbeat in the queue counts.
  const std::optional<int64_t> deadline = NextDeadline(state_);
  if (deadline.has_value() && *deadline <= now.steady_ms) StepInto(Tick{}, now, nullptr);
  ServeWaiters(now);

  const std::vector<Change> changes = std::exchange(changes_, {});
  if (!changes.empty()) {
    const Status committed = store_->Commit(term_, changes);
    if (!committed.ok()) {
      spdlog::error("stopping, since a commit failed: {}", committed.ToString());
      const Status refused = absl::UnavailableError(
          absl::StrCat("the coordinator could not store the change and stops: ", MessageOf(committed)));
      for (HeldReply& held : std::exchange(replies_, {})) held.done(refused, Reply(), nullptr);
      for (Reader& reader : readers) reader(nullptr, now);
      End(committed);
      if (options_.on_end) options_.on_end();
      return false;
    }
  }
  for (HeldReply& held : std::exchange(replies_, {})) held.done(held.status, held.reply, &state_);
  for (Reader& reader : readers) reader(&state_, now);
  if (!changes.empty() && options_.on_committed) options_.on_committed(changes, state_);
  ServeWatchers(now);
  return true;
}

void Runtime::ServeWaiters(Instant now) {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const auto worker = state_.workers.find(waiter->event.worker);
    const bool cancelled = waiter->cancelled && waiter->cancelled();
    const bool expired = waiter->deadline_ms <= now.steady_ms;
    // Only a step that has something to say is made: a wait alone must not count as a sign of life.
    const bool news = worker == state_.workers.end() || worker->second.lease.has_value() ||
                      (!worker->second.draining && HasTaskFor(state_, worker->second));
    if (cancelled) {
      replies_.push_back({std::move(waiter->done), absl::CancelledError("the worker has hung up"), Reply()});
    } else if (news) {
      StepInto(waiter->event, now, waiter->done);
    } else if (expired) {
      replies_.push_back({std::move(waiter->done), absl::OkStatus(), LeaseReply()});
    } else {
      ++waiter;
      continue;
    }
    waiter = waiters_.erase(waiter);
  }
}

void Runtime::ServeWatchers(Instant now) {
  const bool due = watchers_may_have_news_ && IntervalAt(now) > watchers_looked_at_;
  if (!look_at_watchers_ && !due) return;
  look_at_watchers_ = false;
  watchers_may_have_news_ = false;
  watchers_looked_at_ = IntervalAt(now);
  for (auto watched = watched_.begin(); watched != watched_.end();) {
    watched = Serve(*watched, now) ? std::next(watched) : watched_.erase(watched);
  }
}

bool Runtime::Serve(Watched& watched, Instant now) {
  Watcher& watcher = *watched.watcher;
  if (watcher.Closed()) return false;
  // Of a watcher that is not ready, Wake says when it is.
  if (!watcher.Ready()) return true;
  StatusOr<Watcher::News> news = watcher.Look(state_);
  if (news.ok() && *news == Watcher::News::kSome) {
    const int64_t apart = watcher.IntervalsApart();
    const bool soon = watched.sent_interval.has_value() && IntervalAt(now) / apart <= *watched.sent_interval / apart;
    if (!soon) {
      watcher.Send(state_, now);
      watched.sent_interval = IntervalAt(now);
      news = watcher.Look(state_);
    }
  }
  if (!news.ok()) {
    watcher.End(news.status());
    return false;
  }
  if (*news == Watcher::News::kSome) watchers_may_have_news_ = true;
  if (*news != Watcher::News::kOver) return true;
  // The stream ends once its last message is on its way.
  if (watcher.Ready()) {
    watcher.End(absl::OkStatus());
    return false;
  }
  return true;
}

void Runtime::End(const Status& status) {
  std::vector<Item> rest;
  {
    const MutexLock lock(&mutex_);
    ended_ = true;
    end_status_ = status;
    rest = std::exchange(queue_, {});
  }
  for (Item& item : rest) Refuse(item, Stopping());
  for (LeaseItem& waiter : waiters_) waiter.done(Stopping(), Reply(), nullptr);
  waiters_.clear();
  for (Watched& watched : watched_) watched.watcher->End(Stopping());
  watched_.clear();
}

}  // namespace lwq::coordinator
