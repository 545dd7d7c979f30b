// SPDX-License-Identifier: Apache-2.0
// What is needed to bring something here, whatever its scheme.
#pragma once

#include <functional>
#include <string>

#include "client/base/console.h"
#include "client/base/interrupt.h"
#include "common/retry/retrier.h"
#include "common/status/status.h"

namespace lwq::client {

struct SourceContext {
  Console* console = nullptr;      // of progress; null: nothing is shown
  Interrupt* interrupt = nullptr;  // ends fetches, which are gone on with the next time; null: nothing does
  std::function<std::string(const std::string&)> environment;  // "" for a variable that is not set
  RetryOptions retry = {.backoff_initial = absl::Milliseconds(500), .backoff_max = absl::Seconds(8)};

  Status KeepGoing() const { return interrupt == nullptr ? absl::OkStatus() : interrupt->reason(); }
  // Lets time pass, or ends with the interrupt's reason.
  Status Wait(absl::Duration duration) const {
    if (interrupt == nullptr) return WaitBySleeping(duration);
    const bool raised = interrupt->WaitFor(std::chrono::milliseconds(absl::ToInt64Milliseconds(duration)));
    return raised ? interrupt->reason() : absl::OkStatus();
  }
  // Where what has no cache of its own is kept: LWQ_CACHE_DIR, $XDG_CACHE_HOME/lwq, ~/.cache/lwq.
  StatusOr<std::string> CacheFolder() const;
};

}  // namespace lwq::client
