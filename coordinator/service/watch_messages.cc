// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/watch_messages.h"

#include <utility>

#include "coordinator/service/convert_run.h"
#include "google/protobuf/arena.h"

namespace lwq::coordinator {
namespace {

// Watchers are people: behind the loop, and before previews.
constexpr int kSendingNice = 5;

// A whole run is not made again within this time.
constexpr int64_t kMomentMs = 20;

// In one piece of memory: thousands of tasks are freed at once, by whoever needs them last.
template <typename Fill>
WatchMessages::Message Make(Fill fill) {
  const auto arena = std::make_shared<google::protobuf::Arena>();
  auto* message = google::protobuf::Arena::CreateMessage<lwqat::v1::WatchRunResponse>(arena.get());
  fill(message);
  return WatchMessages::Message(arena, message);
}

}  // namespace

WatchMessages::WatchMessages(Runtime* runtime) : sending_(runtime, {.threads = 1, .nice = kSendingNice}) {}

WatchMessages::UpTo WatchMessages::Changes(const State& state, const RunEntry& run, Instant now, uint64_t since) {
  if (changes_at_ms_ != now.steady_ms) changes_.clear();
  changes_at_ms_ = now.steady_ms;
  Message& message = changes_[{run.record.id, since, run.revision}];
  if (message == nullptr) {
    message = Make([&](lwqat::v1::WatchRunResponse* made) { ChangesToWire(state, run, now, since, made); });
  }
  return {message, run.revision};
}

WatchMessages::UpTo WatchMessages::Whole(const State& state, const RunEntry& run, Instant now) {
  std::erase_if(whole_, [now](const auto& made) { return now.steady_ms - made.second.made_at_ms > kMomentMs; });
  WholeRun& whole = whole_[run.record.id];
  if (whole.up_to.message == nullptr || whole.state != run.record.state) {
    const Message message = Make([&](lwqat::v1::WatchRunResponse* made) {
      RunToWire(state, run, now, /*with_tasks=*/true, made->mutable_run());
    });
    whole = {{message, run.revision}, run.record.state, now.steady_ms};
  }
  return whole.up_to;
}

void WatchMessages::Post(std::function<void()> send) {
  sending_.PostAnyway([send = std::move(send)](StateReader&) { send(); });
}

}  // namespace lwq::coordinator
