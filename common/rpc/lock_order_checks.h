// SPDX-License-Identifier: Apache-2.0
// gRPC's locks, which are absl's. Debian's absl is built without NDEBUG, and so looks for deadlocks at every lock and
// unlock: in one graph of all locks of the process, behind one lock of its own (findings/absl_lock_order_checks.sh).
#pragma once

namespace lwq {

// As in a release build of absl. Call once, by main or before the first channel or server.
void SkipLockOrderChecks();

}  // namespace lwq
