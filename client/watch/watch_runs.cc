// SPDX-License-Identifier: Apache-2.0
#include "client/watch/watch_runs.h"

#include <deque>
#include <optional>
#include <thread>
#include <variant>

#include "common/sync/mutex.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;

struct RunChanged {
  size_t index;
  Run run;
};
struct ConnectionChanged {
  bool connected;
};
struct StreamEnded {
  Status status;
};
using Event = std::variant<RunChanged, ConnectionChanged, StreamEnded>;

class EventQueue {
 public:
  void Push(Event event) {
    {
      const MutexLock lock(&mutex_);
      events_.push_back(std::move(event));
    }
    changed_.NotifyOne();
  }

  std::optional<Event> PopFor(std::chrono::milliseconds duration) {
    MutexLock lock(&mutex_);
    if (!changed_.WaitFor(lock, duration, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !events_.empty(); }))
      return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

StatusOr<std::vector<Run>> WatchRuns(RunApi* api, const std::vector<std::string>& run_ids, RunView* view) {
  EventQueue queue;
  std::vector<Run> runs(run_ids.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < run_ids.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto end = api->WatchRun(
          run_ids[i],
          [&, i](const Run& run) {
            queue.Push(RunChanged{i, run});
          },
          [&](bool connected) { queue.Push(ConnectionChanged{connected}); });
      queue.Push(StreamEnded{end.status()});
    });
  }
  Status first_error;
  size_t open = threads.size();
  bool connected = true;
  while (open > 0) {
    std::optional<Event> event = queue.PopFor(std::chrono::milliseconds(1000));
    if (!event.has_value()) {
      view->OnTick(runs);
    } else if (auto* changed = std::get_if<RunChanged>(&*event)) {
      runs[changed->index] = std::move(changed->run);
      view->OnChange(runs, changed->index);
    } else if (const auto* connection = std::get_if<ConnectionChanged>(&*event)) {
      if (connection->connected != connected) view->OnConnection(connection->connected);
      connected = connection->connected;
    } else if (const auto* ended = std::get_if<StreamEnded>(&*event)) {
      --open;
      if (ended->status.ok() || !first_error.ok()) continue;
      first_error = ended->status;
      api->interrupt()->RaiseOnce(first_error);  // ends the others
    }
  }
  for (std::thread& thread : threads) thread.join();
  view->OnEnd(runs);
  if (!first_error.ok()) return first_error;
  return runs;
}

}  // namespace lwq::client
