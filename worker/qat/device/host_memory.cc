// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/host_memory.h"

#include <sys/mman.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_format.h"

namespace lwq::qat {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kPageBytes = 4096;
constexpr int64_t kCachedFromBytes = 64 << 10;
constexpr int64_t kHugePageBytes = 2 << 20;
// Rounding up never overflows below this; nothing larger can be mapped anyway.
constexpr int64_t kLargestRequestBytes = std::numeric_limits<int64_t>::max() / 4;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

bool IsMapped(int64_t held_bytes) {
  return held_bytes >= kHugePageBytes;
}

// Maps `bytes` at an address that is a multiple of a huge page; nullptr when the system has no more.
void* MapHuge(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  const auto slack = static_cast<size_t>(kHugePageBytes);
  void* mapping = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(mapping);
  const size_t before = (slack - reinterpret_cast<uintptr_t>(begin) % slack) % slack;
  if (before > 0) munmap(begin, before);
  if (slack > before) munmap(begin + before + size, slack - before);
  madvise(begin + before, size, MADV_HUGEPAGE);  // refused where huge pages are off: ordinary pages then
  return begin + before;
}

void* TakeFromSystem(int64_t held_bytes) {
  if (IsMapped(held_bytes)) return MapHuge(held_bytes);
  return std::aligned_alloc(kAlignment, static_cast<size_t>(held_bytes));
}

void GiveToSystem(void* block, int64_t held_bytes) {
  if (IsMapped(held_bytes)) {
    munmap(block, static_cast<size_t>(held_bytes));
  } else {
    std::free(block);
  }
}

std::string MiB(int64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

int64_t HostMemory::HeldBytes(int64_t bytes) {
  if (bytes < kCachedFromBytes) return RoundUp(bytes, kAlignment);
  const auto doubling = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes)));
  return RoundUp(bytes, std::max(doubling / 8, kPageBytes));
}

HostMemory::~HostMemory() {
  ReleaseCached();
}

void HostMemory::SetLimit(int64_t limit_bytes) {
  const MutexLock lock(&mutex_);
  limit_bytes_ = limit_bytes;
  if (limit_bytes_ > 0) ReleaseUntil(limit_bytes_);
}

StatusOr<void*> HostMemory::Allocate(int64_t bytes) {
  if (bytes == 0) return nullptr;
  const MutexLock lock(&mutex_);
  if (bytes < 0 || bytes > kLargestRequestBytes) return Refused(bytes);
  const int64_t held_bytes = HeldBytes(bytes);
  void* block = TakeCached(held_bytes);
  if (block == nullptr) {
    if (limit_bytes_ > 0) {
      if (held_bytes > limit_bytes_) return Refused(bytes);
      ReleaseUntil(limit_bytes_ - held_bytes);
      if (use_.held_bytes + held_bytes > limit_bytes_) return Refused(bytes);
    }
    block = TakeFromSystem(held_bytes);
    if (block == nullptr) {
      ReleaseUntil(0);
      block = TakeFromSystem(held_bytes);
    }
    if (block == nullptr) return Refused(bytes);
    use_.held_bytes += held_bytes;
  }
  in_use_.emplace(block, Block{bytes, held_bytes});
  use_.current_bytes += bytes;
  use_.peak_bytes = std::max(use_.peak_bytes, use_.current_bytes);
  return block;
}

void HostMemory::Free(void* block) {
  if (block == nullptr) return;
  const MutexLock lock(&mutex_);
  const auto found = in_use_.find(block);
  LWQ_CHECK(found != in_use_.end(), "HostMemory::Free of a block it did not give out");
  const Block freed = found->second;
  in_use_.erase(found);
  use_.current_bytes -= freed.asked_bytes;
  const bool over_limit = limit_bytes_ > 0 && use_.held_bytes > limit_bytes_;
  if (freed.held_bytes >= kCachedFromBytes && !over_limit) {
    cached_[freed.held_bytes].push_back(block);
    use_.cached_bytes += freed.held_bytes;
  } else {
    GiveToSystem(block, freed.held_bytes);
    use_.held_bytes -= freed.held_bytes;
  }
}

void HostMemory::ReleaseCached() {
  {
    const MutexLock lock(&mutex_);
    ReleaseUntil(0);
  }
#if defined(__GLIBC__)
  malloc_trim(0);  // else freed blocks between others in use stay resident
#endif
}

HostMemory::Use HostMemory::use() const {
  const MutexLock lock(&mutex_);
  return use_;
}

void HostMemory::ResetPeak() {
  const MutexLock lock(&mutex_);
  use_.peak_bytes = use_.current_bytes;
}

void* HostMemory::TakeCached(int64_t held_bytes) {
  const auto found = cached_.find(held_bytes);
  if (found == cached_.end()) return nullptr;
  void* block = found->second.back();
  found->second.pop_back();
  if (found->second.empty()) cached_.erase(found);
  use_.cached_bytes -= held_bytes;
  return block;
}

// Releases cached blocks, largest first, until no more than the goal is held or nothing is cached.
void HostMemory::ReleaseUntil(int64_t held_goal_bytes) {
  while (use_.held_bytes > held_goal_bytes && !cached_.empty()) {
    const int64_t held_bytes = cached_.rbegin()->first;
    GiveToSystem(TakeCached(held_bytes), held_bytes);
    use_.held_bytes -= held_bytes;
  }
}

Status HostMemory::Refused(int64_t bytes) const {
  if (limit_bytes_ > 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a tensor of ", MiB(bytes), " does not fit: ", MiB(use_.current_bytes), " of the memory limit of ",
        MiB(limit_bytes_), " are in use; raise the worker's memory limit or make the micro-batch smaller"));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("a tensor of ", MiB(bytes), " does not fit: the system refused it while ", MiB(use_.current_bytes),
                   " are in use; free memory or make the micro-batch smaller"));
}

}  // namespace lwq::qat
