// SPDX-License-Identifier: Apache-2.0
#include "client/watch/watch_runs.h"

#include <deque>
#include <map>
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

// A stream that is read until it ends, on a thread of its own: puts what it is sent into the queue.
using ReadStream = std::function<Status(EventQueue& queue, const std::function<void(bool)>& on_connection)>;

// Shows what the streams put into `runs` until all have ended. The first error of any; the others are ended then.
Status ShowUntilEnd(RunApi* api, const std::vector<ReadStream>& streams, RunView* view, std::vector<Run>& runs) {
  EventQueue queue;
  std::vector<std::thread> threads;
  threads.reserve(streams.size());
  for (const ReadStream& read : streams) {
    threads.emplace_back([&queue, &read] {
      const Status end = read(queue, [&queue](bool connected) { queue.Push(ConnectionChanged{connected}); });
      queue.Push(StreamEnded{end});
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
  return first_error;
}

// All runs of a sweep by one stream. They are asked for whole once they have ended.
StatusOr<std::vector<Run>> WatchSweepRuns(RunApi* api, const std::string& sweep_id,
                                          const std::vector<std::string>& run_ids, RunView* view) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < run_ids.size(); ++i) places[run_ids[i]] = i;
  const ReadStream read = [&](EventQueue& queue, const std::function<void(bool)>& on_connection) {
    const auto push = [&](const lwqat::v1::WatchSweepResponse& response) {
      for (const Run& run : response.runs()) {
        const auto place = places.find(run.id());
        if (place != places.end()) queue.Push(RunChanged{place->second, run});
      }
    };
    return api->WatchSweep(sweep_id, push, on_connection);
  };
  std::vector<Run> runs(run_ids.size());
  LWQ_RETURN_IF_ERROR(ShowUntilEnd(api, {read}, view, runs));
  for (size_t i = 0; i < run_ids.size(); ++i) {
    LWQ_ASSIGN_OR_RETURN(runs[i], api->GetRun(run_ids[i]));
  }
  return runs;
}

}  // namespace

StatusOr<std::vector<Run>> WatchRuns(RunApi* api, const std::vector<std::string>& run_ids, RunView* view) {
  std::vector<ReadStream> streams;
  for (size_t i = 0; i < run_ids.size(); ++i) {
    streams.emplace_back([&, i](EventQueue& queue, const std::function<void(bool)>& on_connection) {
      const auto push = [&queue, i](const Run& run) { queue.Push(RunChanged{i, run}); };
      return api->WatchRun(run_ids[i], push, on_connection).status();
    });
  }
  std::vector<Run> runs(run_ids.size());
  LWQ_RETURN_IF_ERROR(ShowUntilEnd(api, streams, view, runs));
  return runs;
}

StatusOr<std::vector<Run>> WatchTogether(RunApi* api, const std::string& sweep_id,
                                         const std::vector<std::string>& run_ids, RunView* view) {
  const bool whole = sweep_id.empty() || run_ids.size() <= kRunsShownWhole;
  return whole ? WatchRuns(api, run_ids, view) : WatchSweepRuns(api, sweep_id, run_ids, view);
}

}  // namespace lwq::client
