// SPDX-License-Identifier: Apache-2.0
// How many threads tensor operations use.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace lwq::qat {

// Tensor operations started on this thread use `threads` threads until the object dies; then as many as before.
// Results of fp32 sums depend on the number (numerics class), so computations set it from Execution.threads.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads);
  ~ScopedThreads();
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int before_;
};

// body(first, last) on disjoint ranges that cover [0, count), on LibTorch's own intra-op threads; ranges hold at least
// `grain` items, and one range is called on this thread when there is no more. The partition depends on the thread
// count, so `body` must give the same bytes for every partition. An exception of the body is rethrown here.
void ParallelFor(int64_t count, int64_t grain, absl::FunctionRef<void(int64_t first, int64_t last)> body);

}  // namespace lwq::qat
