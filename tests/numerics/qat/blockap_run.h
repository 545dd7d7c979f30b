// SPDX-License-Identifier: Apache-2.0
// Block-AP over all blocks of the reference model, driven as the reference drove it: two chains (full precision for the
// targets, quantized for the inputs), every block trained with the efficientqat options.
#pragma once

#include <vector>

#include "common/json/json.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/train_block.h"

namespace lwq::qat {

// The options that make up `preset: efficientqat`, for block `block` of a run in blockap_trajectory.json.
TrainOptions ReferenceOptions(const Json& config, int64_t block);

// Inputs and targets of one block.
struct BlockData {
  MemorySamples train_in;
  MemorySamples train_target;
  MemorySamples val_in;
  MemorySamples val_target;

  TrainInputs inputs() { return {&train_in, &train_target, &val_in, &val_target}; }
};

class BlockApRun {
 public:
  // `config`: runs[name].config of blockap_trajectory.json.
  explicit BlockApRun(const Json& config);

  int64_t blocks() const { return model_.config.num_hidden_layers; }
  const ReferenceModel& model() const { return model_; }
  TrainOptions options(int64_t block) const { return ReferenceOptions(config_, block); }

  // The data of the next block; the chains stand in front of it.
  BlockData NextBlockData() const;
  // Trains the next block on `data` and moves both chains past it.
  TrainOutcome TrainNext(BlockData data);
  // Perplexity on heldout_ids with the quantized blocks (all must have been trained).
  double Perplexity() const;
  // The trained blocks so far.
  const std::vector<BlockState>& quantized() const { return quantized_; }

 private:
  MemorySamples EmbedIds(const std::string& name, int64_t count) const;
  MemorySamples Advance(const BlockState& block, const MemorySamples& in) const;

  Json config_;
  ReferenceModel model_;
  SafetensorsFile tokens_;
  MemorySamples fp_train_, fp_val_, quant_train_, quant_val_;
  std::vector<BlockState> quantized_;
};

}  // namespace lwq::qat
