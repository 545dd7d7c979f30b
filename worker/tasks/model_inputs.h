// SPDX-License-Identifier: Apache-2.0
// The model a task works on, opened from its "model" input: configuration, tensors, and block states by index.
//
// Only the pieces that hold the tensors asked for are fetched. One thread. The BlobSource must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/artifact/file_tree.h"
#include "common/model/llama_config.h"
#include "common/model/tensor_source.h"
#include "common/status/status.h"
#include "worker/qat/api/block.h"
#include "worker/tasks/task.h"

namespace lwq::worker {

class ModelInput {
 public:
  static StatusOr<std::unique_ptr<ModelInput>> Open(const Task& task, const TaskContext& context);

  const LlamaConfig& config() const { return config_; }
  const FileTree& files() const { return files_; }
  TensorSource& tensors() { return *tensors_; }

  // The block as the model has it (full precision, or as its quantization_config says), with the scales of the task's
  // input "scales.<block>" worked in where there is one.
  StatusOr<qat::BlockState> Block(int64_t block);
  // Input "block.<block>" of the task where there is one, else Block(block).
  StatusOr<qat::BlockState> CurrentBlock(int64_t block);
  // The one block of a task: its input "block" where there is one, else Block(block).
  StatusOr<qat::BlockState> TaskBlock(int64_t block);

 private:
  StatusOr<qat::BlockState> BlockOr(const std::string& role, int64_t block);
  ModelInput(const Task& task, const TaskContext& context) : inputs_(task.inputs), context_(context) {}
  const std::map<std::string, ArtifactRef> inputs_;  // of the task, which need not outlive it
  const TaskContext& context_;
  FileTree files_;
  LlamaConfig config_;
  std::unique_ptr<TensorSource> tensors_;
};

}  // namespace lwq::worker
