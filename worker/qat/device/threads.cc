// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/threads.h"

#include <ATen/Parallel.h>

namespace lwq::qat {

ScopedThreads::ScopedThreads(int threads) : before_(at::get_num_threads()) {
  if (threads != before_) at::set_num_threads(threads);
}

ScopedThreads::~ScopedThreads() {
  if (at::get_num_threads() != before_) at::set_num_threads(before_);
}

// This file is compiled with OpenMP: LibTorch's parallel_for is a header template that runs serially without it.
void ParallelFor(int64_t count, int64_t grain, absl::FunctionRef<void(int64_t, int64_t)> body) {
#ifndef INTRA_OP_PARALLEL
#error "compile threads.cc with OpenMP, or ParallelFor is serial"
#endif
  at::parallel_for(0, count, grain, [&](int64_t first, int64_t last) { body(first, last); });
}

}  // namespace lwq::qat
