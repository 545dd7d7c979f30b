// SPDX-License-Identifier: Apache-2.0
// Memory for tensors on the CPU: blocks are kept after use and given out again, large ones lie on huge pages.
//
// Why: fresh pages cost more than the arithmetic done on them (2–3 GB/s against 60–90 GB/s of DRAM), and glibc gives
// every block above 32 MiB back to the system at once.
//
// Blocks of 64 KiB and more are rounded up to one of eight sizes per doubling (waste ≤ 12.5 %), kept on a free list per
// size, and mapped with MADV_HUGEPAGE from 2 MiB up. Smaller ones come from malloc. All are aligned to 64 bytes or
// more.
// Accounting is exact: current and peak count the bytes asked for; `held_bytes` what the process has for tensors,
// cached blocks included. The limit applies to held_bytes: cached blocks are released, largest first, before a request
// is refused.
//
// Thread-safety: every method from any thread; a block may be freed by another thread than the one that asked for it.
// Objects that serve LibTorch live for ever (frees may come from static destructors).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/status/status.h"
#include "common/sync/mutex.h"

namespace lwq::qat {

class HostMemory {
 public:
  struct Use {
    int64_t current_bytes = 0;  // asked for and not freed
    int64_t peak_bytes = 0;     // maximum of current_bytes since ResetPeak
    int64_t held_bytes = 0;     // current (rounded up) and cached
    int64_t cached_bytes = 0;
  };

  HostMemory() = default;
  ~HostMemory();  // releases what is cached; blocks in use must have been freed
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  // 0: no limit. A limit below what is held releases cached blocks; blocks in use stay.
  void SetLimit(int64_t limit_bytes);

  // Uninitialised memory; nullptr for 0 bytes. RESOURCE_EXHAUSTED when the limit or the system refuses, naming size,
  // use and limit.
  StatusOr<void*> Allocate(int64_t bytes);
  // `block` came from Allocate (or is nullptr).
  void Free(void* block);

  // Gives cached blocks back to the system, and what malloc keeps of freed ones.
  void ReleaseCached();

  Use use() const;
  void ResetPeak();

  // Bytes a request of `bytes` takes from the limit.
  static int64_t HeldBytes(int64_t bytes);

 private:
  struct Block {
    int64_t asked_bytes;
    int64_t held_bytes;
  };

  void* TakeCached(int64_t held_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseUntil(int64_t held_goal_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Status Refused(int64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  int64_t limit_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Use use_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<void*, Block> in_use_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, std::vector<void*>> cached_ ABSL_GUARDED_BY(mutex_);  // size class → blocks, last freed first
};

}  // namespace lwq::qat
