// SPDX-License-Identifier: Apache-2.0
// The files that an export's tensors go into: laid out before any tensor exists, then written as they are made.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "common/artifact/tensor.h"
#include "common/export/export_plan.h"
#include "common/export/file_sink.h"
#include "common/status/status.h"

namespace lwq::qat {

class TensorFiles {
 public:
  using Read = std::function<StatusOr<HostTensor>(const PlannedTensor&)>;

  virtual ~TensorFiles() = default;
  // What is in them, in the order of the files.
  virtual const std::vector<PlannedTensor>& tensors() const = 0;
  virtual size_t shards() const = 0;
  // Asks `read` for every tensor, as it was planned, in plan order; holds one at a time. Its errors and the sink's.
  virtual Status Write(const Read& read, FileSink& sink) const = 0;
};

}  // namespace lwq::qat
