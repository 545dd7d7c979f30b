// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/training_samples.h"

#include <utility>

namespace lwq::worker {

TrainingSamples::TrainingSamples(Readers readers, int64_t train_size, int64_t val_size)
    : readers_(std::move(readers)),
      train_in_(readers_[0].get(), 0, train_size),
      train_target_(readers_[1].get(), 0, train_size),
      val_in_(readers_[2].get(), train_size, val_size),
      val_target_(readers_[3].get(), train_size, val_size) {}

StatusOr<std::unique_ptr<TrainingSamples>> TrainingSamples::Open(const Task& task, const TaskContext& context,
                                                                 int64_t train_size, int64_t val_size) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef inputs, InputOf(task, "inputs"));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef targets, InputOf(task, "targets"));
  Readers readers;
  for (size_t i = 0; i < readers.size(); ++i) {
    LWQ_ASSIGN_OR_RETURN(readers[i], SampleSetReader::Open(context.blobs, i % 2 == 0 ? inputs : targets));
  }
  return std::unique_ptr<TrainingSamples>(new TrainingSamples(std::move(readers), train_size, val_size));
}

}  // namespace lwq::worker
