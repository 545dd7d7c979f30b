// SPDX-License-Identifier: Apache-2.0
// What a task reads that trains or fits a block: its inputs "inputs" and "targets", split into training and validation.
//
// One thread. The task's context must outlive it. Not copied: what inputs() gives points into it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/artifact/samples.h"
#include "worker/qat/api/train_block.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

class TrainingSamples {
 public:
  // Samples [0, train_size) train, [train_size, train_size + val_size) validate. A set that has not that many says so
  // when they are read.
  static StatusOr<std::unique_ptr<TrainingSamples>> Open(const Task& task, const TaskContext& context,
                                                         int64_t train_size, int64_t val_size);

  // From the beginning: no start.
  qat::TrainInputs inputs() { return {&train_in_, &train_target_, &val_in_, &val_target_}; }

 private:
  // Training and validation alternate between two places of the set: a reader each, so that neither loses its chunks.
  using Readers = std::array<std::unique_ptr<SampleSetReader>, 4>;
  TrainingSamples(Readers readers, int64_t train_size, int64_t val_size);

  Readers readers_;
  SampleRange train_in_;
  SampleRange train_target_;
  SampleRange val_in_;
  SampleRange val_target_;
};

}  // namespace lwq::worker
