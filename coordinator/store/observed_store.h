// SPDX-License-Identifier: Apache-2.0
// A store that tells how long each commit took. Thread-safety and errors: those of the store in it.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/store/store.h"

namespace lwq::coordinator {

// Called after each commit, on the thread that committed.
using CommitObserver = std::function<void(double seconds, size_t changes, bool ok)>;

std::unique_ptr<Store> ObserveCommits(std::unique_ptr<Store> store, CommitObserver observer);

}  // namespace lwq::coordinator
