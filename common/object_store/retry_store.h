// SPDX-License-Identifier: Apache-2.0
// A decorator that repeats what may succeed when repeated, as common/retry/retrier.h says.
//
// A write that answers UNAVAILABLE may have happened. So a conditional write that later finds the key taken compares:
// if the object holds exactly the bytes being written, the write was ours (or its twin's, which is the same object) and
// is OK.
//
// Thread-safety: any thread, if the store and `wait` allow it. The inner store is owned.
#pragma once

#include <memory>

#include "common/object_store/object_store.h"
#include "common/retry/retrier.h"

namespace lwq {

std::unique_ptr<ObjectStore> MakeRetryStore(std::unique_ptr<ObjectStore> inner, const RetryOptions& options,
                                            RetryWait wait = WaitBySleeping);

}  // namespace lwq
