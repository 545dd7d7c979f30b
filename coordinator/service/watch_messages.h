// What watchers are sent: made once for all who need the same, and handed to the network by a thread of its own.
//
// Many watch one run, and the loop serves them together (runtime.h), so most of them are to get the same changes.
//
// Thread-safety: Of belongs to the loop's thread, Post to any. The runtime must outlive this, and this every stream.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "coordinator/runtime/background.h"
#include "coordinator/scheduler/state.h"
#include "lwqat/v1/run_service.pb.h"

namespace lwq::coordinator {

class WatchMessages {
 public:
  explicit WatchMessages(Runtime* runtime);

  using Message = std::shared_ptr<const lwqat::v1::WatchRunResponse>;
  // What changed after the run's revision `since`, or the whole run.
  Message Of(const State& state, const RunEntry& run, Instant now, std::optional<uint64_t> since);

  // Calls `send` on the sending thread. At most one for each stream may be under way.
  void Post(std::function<void()> send);

 private:
  struct Span {
    RunId run;
    std::optional<uint64_t> since;
    uint64_t until = 0;
    friend auto operator<=>(const Span&, const Span&) = default;
  };
  std::map<Span, Message> made_;  // at the moment below
  int64_t made_at_ms_ = 0;
  Background sending_;
};

}  // namespace lwq::coordinator
