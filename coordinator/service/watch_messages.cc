#include "coordinator/service/watch_messages.h"

#include <utility>

#include "coordinator/service/convert_run.h"
#include "google/protobuf/arena.h"

namespace lwq::coordinator {
namespace {

// Watchers are people: behind the loop, and before previews.
constexpr int kSendingNice = 5;

}  // namespace

WatchMessages::WatchMessages(Runtime* runtime) : sending_(runtime, {.threads = 1, .nice = kSendingNice}) {}

WatchMessages::Message WatchMessages::Of(const State& state, const RunEntry& run, Instant now,
                                         std::optional<uint64_t> since) {
  if (made_at_ms_ != now.steady_ms) made_.clear();
  made_at_ms_ = now.steady_ms;
  Message& message = made_[{run.record.id, since, run.revision}];
  if (message == nullptr) {
    // Thousands of tasks are freed at once, by whoever needs them last.
    const auto arena = std::make_shared<google::protobuf::Arena>();
    auto* made = google::protobuf::Arena::CreateMessage<lwqat::v1::WatchRunResponse>(arena.get());
    if (since.has_value()) {
      ChangesToWire(state, run, now, *since, made);
    } else {
      RunToWire(state, run, now, /*with_tasks=*/true, made->mutable_run());
    }
    message = Message(arena, made);
  }
  return message;
}

void WatchMessages::Post(std::function<void()> send) {
  sending_.PostAnyway([send = std::move(send)](StateReader&) { send(); });
}

}  // namespace lwq::coordinator
