// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/api/score_sequences.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "worker/qat/device/device.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_guard.h"
#include "worker/qat/evaluate/activation_spill.h"
#include "worker/qat/evaluate/check_head.h"
#include "worker/qat/evaluate/embed_rows.h"
#include "worker/qat/evaluate/tree_tables.h"
#include "worker/qat/model/block_forward.h"
#include "worker/qat/model/head_loss.h"
#include "worker/qat/model/llama_model.h"
#include "worker/qat/model/load_block.h"
#include "worker/qat/model/streaming.h"

namespace lwq::qat {
namespace {

// The trees' tokens, each padded behind its end, [trees, padded].
HostTensor PaddedTokens(const TreeBatch& batch, int64_t padded) {
  std::vector<int32_t> ids(batch.size() * static_cast<size_t>(padded), 0);
  for (size_t i = 0; i < batch.size(); ++i) {
    std::copy(batch[i].tokens.begin(), batch[i].tokens.end(), ids.begin() + static_cast<int64_t>(i) * padded);
  }
  return HostTensor{
      .dtype = DType::kI32,
      .shape = {std::ssize(batch), padded},
      .bytes = Bytes::FromString(std::string(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)))};
}

// All batches: embedded, passed through block after block, scored. Activations lie in the spill token by token.
class TreeScoring {
 public:
  TreeScoring(const LlamaConfig& config, const HeadWeights& head, const std::vector<TreeBatch>& batches,
              const ScoreOptions& options, at::Device device, const ProgressSink& progress, const CancelToken& cancel)
      : config_(config),
        head_(head),
        batches_(batches),
        compute_type_(ComputeType(options.execution.precision)),
        device_(device),
        progress_(progress),
        cancel_(cancel),
        spill_(options.scratch_directory, 1, config.hidden_size) {}

  StatusOr<std::vector<BranchScore>> Run(const std::function<StatusOr<BlockState>(int64_t)>& load_block) {
    ForEachBatch([&](const TreeBatch& batch, int64_t first) {
      const HostTensor rows = OrThrow(EmbedRows(config_, head_.embedding, PaddedTokens(batch, PaddedLength(batch))));
      spill_.Write(first, ToTensor(rows, at::kFloat, at::kCPU).view({-1, 1, config_.hidden_size}));
    });
    for (int64_t k = 0; k < config_.num_hidden_layers; ++k) {
      LWQ_ASSIGN_OR_RETURN(const BlockState state, load_block(k));
      const BlockTensors block = LoadBlock(config_, state, compute_type_, device_);
      ForEachBatch([&](const TreeBatch& batch, int64_t first) {
        // Only the composed block takes tables of each sequence's own.
        const SequenceTables tables = MakeTreeTables(config_, batch, device_);
        const at::Tensor hidden = ComposedBlockForward(config_, block, tables, Read(batch, first));
        spill_.Write(first, hidden.view({-1, 1, config_.hidden_size}));
      });
    }
    return Score();
  }

 private:
  template <typename Body>
  void ForEachBatch(Body body) {
    int64_t first = 0;
    for (const TreeBatch& batch : batches_) {
      ThrowIfCancelled(cancel_);
      body(batch, first);
      first += std::ssize(batch) * PaddedLength(batch);
      ++done_;
      if (progress_) {
        progress_({.stage = "evaluate",
                   .step = done_,
                   .steps = std::ssize(batches_) * (config_.num_hidden_layers + 2),
                   .loss = std::numeric_limits<double>::quiet_NaN()});
      }
    }
  }

  at::Tensor Read(const TreeBatch& batch, int64_t first) const {
    const int64_t padded = PaddedLength(batch);
    return spill_.Read(first, std::ssize(batch) * padded, device_)
        .view({std::ssize(batch), padded, config_.hidden_size});
  }

  std::vector<BranchScore> Score() {
    const HeadTensors head = LoadHead(config_, head_, compute_type_, device_);
    std::vector<BranchScore> scores;
    ForEachBatch([&](const TreeBatch& batch, int64_t first) { ScoreBatch(head, batch, first, &scores); });
    return scores;
  }

  void ScoreBatch(const HeadTensors& head, const TreeBatch& batch, int64_t first, std::vector<BranchScore>* scores) {
    std::vector<int64_t> places, tokens, branches;  // of every target; branches among all scores
    const int64_t padded = PaddedLength(batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      for (const SequenceTree::Target& target : batch[i].targets) {
        CheckTarget(batch[i], target);
        places.push_back(static_cast<int64_t>(i) * padded + target.place);
        tokens.push_back(target.token);
        branches.push_back(std::ssize(*scores) + target.branch);
      }
      scores->resize(scores->size() + batch[i].branches.size());
    }
    const at::Tensor hidden = Read(batch, first).view({-1, config_.hidden_size});
    const at::Tensor rows = hidden.index_select(0, at::tensor(places).to(device_));
    const int64_t count = rows.size(0), slice = std::max<int64_t>(1, kLogitElements / config_.vocab_size);
    for (int64_t begin = 0; begin < count; begin += slice) {
      const int64_t length = std::min(slice, count - begin);
      const at::Tensor log_probs =
          at::log_softmax(Logits(config_, head.final_norm, head.lm_head, rows.narrow(0, begin, length)), -1);
      const at::Tensor wanted = at::tensor(tokens).narrow(0, begin, length);
      const at::Tensor found =
          log_probs.gather(1, wanted.to(device_).unsqueeze(1)).squeeze(1).to(at::kCPU, at::kDouble);
      const at::Tensor greedy = log_probs.argmax(-1).to(at::kCPU).eq(wanted);
      for (int64_t i = 0; i < length; ++i) {
        BranchScore& score = (*scores)[static_cast<size_t>(branches[static_cast<size_t>(begin + i)])];
        score.log_likelihood += found.data_ptr<double>()[i];
        score.is_greedy = score.is_greedy && greedy.data_ptr<bool>()[i];
      }
    }
  }

  void CheckTarget(const SequenceTree& tree, const SequenceTree::Target& target) const {
    if (target.place >= 0 && target.place < std::ssize(tree.tokens) && target.branch >= 0 &&
        target.branch < std::ssize(tree.branches) && target.token >= 0 && target.token < config_.vocab_size) {
      return;
    }
    throw StatusError(absl::InvalidArgumentError(absl::StrCat("token ", target.token, " cannot be scored at place ",
                                                              target.place, " of a sequence of ", tree.tokens.size(),
                                                              " tokens and a vocabulary of ", config_.vocab_size)));
  }

  const LlamaConfig& config_;
  const HeadWeights& head_;
  const std::vector<TreeBatch>& batches_;
  at::ScalarType compute_type_;
  at::Device device_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;
  ActivationSpill spill_;
  int64_t done_ = 0;
};

}  // namespace

StatusOr<std::vector<BranchScore>> ScoreTrees(const LlamaConfig& config, const HeadWeights& head,
                                              const std::function<StatusOr<BlockState>(int64_t)>& load_block,
                                              const std::vector<TreeBatch>& batches, const ScoreOptions& options,
                                              const ProgressSink& progress, const CancelToken& cancel) {
  return TorchGuard("scoring continuations", [&]() -> StatusOr<std::vector<BranchScore>> {
    const c10::NoGradGuard no_grad;
    const ScopedThreads threads(options.execution.threads);
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.execution.device));
    LWQ_RETURN_IF_ERROR(CheckHead(config, head));
    return TreeScoring(config, head, batches, options, device, progress, cancel).Run(load_block);
  });
}

}  // namespace lwq::qat
