#include "coordinator/service/watch_messages.h"

#include <utility>

#include "coordinator/service/convert_run.h"

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
    auto made = std::make_shared<lwqat::v1::WatchRunResponse>();
    if (since.has_value()) {
      ChangesToWire(state, run, now, *since, made.get());
    } else {
      RunToWire(state, run, now, /*with_tasks=*/true, made->mutable_run());
    }
    message = std::move(made);
  }
  return message;
}

void WatchMessages::Post(std::function<void()> send) {
  sending_.PostAnyway([send = std::move(send)](StateReader&) { send(); });
}

}  // namespace lwq::coordinator
