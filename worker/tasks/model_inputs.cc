// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/model_inputs.h"

#include "absl/strings/str_cat.h"
#include "common/export/block_checkpoint.h"
#include "common/export/model_blocks.h"
#include "common/model/check_model.h"
#include "worker/qat/api/prepare.h"
#include "worker/tasks/block_scales.h"

namespace lwq::worker {

StatusOr<std::unique_ptr<ModelInput>> ModelInput::Open(const Task& task, const TaskContext& context) {
  std::unique_ptr<ModelInput> model(new ModelInput(task, context));
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, "model"));
  LWQ_ASSIGN_OR_RETURN(model->files_, FileTree::Open(context.blobs, ref));
  LWQ_ASSIGN_OR_RETURN(model->config_, qat::ReadModelConfig(model->files_));
  LWQ_ASSIGN_OR_RETURN(model->tensors_, OpenModelTree(&model->files_));
  LWQ_RETURN_IF_ERROR(CheckModelTensors(model->config_, *model->tensors_));
  return model;
}

StatusOr<qat::BlockState> ModelInput::Block(int64_t block) {
  LWQ_ASSIGN_OR_RETURN(qat::BlockState state, qat::LoadBlock(*tensors_, config_, block));
  const auto prepared = inputs_.find(absl::StrCat("scales.", block));
  if (prepared == inputs_.end()) return state;
  LWQ_ASSIGN_OR_RETURN(const qat::BlockScales scales, LoadScales(*context_.blobs, prepared->second));
  return qat::FoldScales(config_, state, scales);
}

StatusOr<qat::BlockState> ModelInput::CurrentBlock(int64_t block) {
  return BlockOr(absl::StrCat("block.", block), block);
}

StatusOr<qat::BlockState> ModelInput::TaskBlock(int64_t block) {
  return BlockOr("block", block);
}

StatusOr<qat::BlockState> ModelInput::BlockOr(const std::string& role, int64_t block) {
  const auto checkpoint = inputs_.find(role);
  if (checkpoint == inputs_.end()) return Block(block);
  return qat::LoadBlockCheckpoint(*context_.blobs, checkpoint->second);
}

}  // namespace lwq::worker
