// SPDX-License-Identifier: Apache-2.0
// LibTorch's CPU allocator with a failure in it: counts requests, and refuses one of them as a device does that has no
// memory left.
#pragma once

#include <cstdint>
#include <memory>

namespace lwq::qat {

// In place of the allocator that is there, while it lives; one at a time. Memory that was given out may be freed later.
class FailingAllocator {
 public:
  // Refuses request number `refused`, counted from 1; 0: none.
  explicit FailingAllocator(int64_t refused);
  ~FailingAllocator();
  FailingAllocator(const FailingAllocator&) = delete;
  FailingAllocator& operator=(const FailingAllocator&) = delete;

  int64_t requests() const;

 private:
  class Counting;
  std::unique_ptr<Counting> counting_;
};

}  // namespace lwq::qat
