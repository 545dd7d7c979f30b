// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/score_batches.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "worker/tasks/window_losses.h"

namespace lwq::worker {
namespace {

// What the model reads of a request, and what is scored behind its end.
struct Sequence {
  std::vector<int32_t> input;
  std::vector<int32_t> targets;  // each behind the input's last places
  std::vector<int64_t> places;   // the requests that it is
};

StatusOr<Sequence> SequenceOf(const EvalRequest& request, int64_t place, int64_t window) {
  const int64_t targets = std::ssize(request.continuation_ids);
  if (targets > window) {
    return absl::InvalidArgumentError(
        absl::StrCat("a choice of ", targets, " tokens does not fit the model's window of ", window, " tokens"));
  }
  Sequence sequence{request.context_ids, request.continuation_ids, {place}};
  sequence.input.insert(sequence.input.end(), request.continuation_ids.begin(), request.continuation_ids.end() - 1);
  if (std::ssize(sequence.input) > window) {
    sequence.input.erase(sequence.input.begin(), sequence.input.end() - window);
  }
  return sequence;
}

void AddSequence(Sequence sequence, std::vector<Sequence>* sequences) {
  for (Sequence& earlier : *sequences) {
    if (earlier.input != sequence.input || earlier.targets != sequence.targets) continue;
    earlier.places.insert(earlier.places.end(), sequence.places.begin(), sequence.places.end());
    return;
  }
  sequences->push_back(std::move(sequence));
}

int64_t CommonBeginning(const std::vector<Sequence>& sequences) {
  const std::vector<int32_t>& first = sequences.front().input;
  size_t common = first.size();
  for (const Sequence& other : sequences) {
    const size_t most = std::min(common, other.input.size());
    common = static_cast<size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<int64_t>(most), other.input.begin()).first -
        first.begin());
  }
  return static_cast<int64_t>(common);
}

struct PlacedTree {
  qat::SequenceTree tree;
  std::vector<std::vector<int64_t>> places;
};

PlacedTree TreeOf(const std::vector<Sequence>& sequences, int64_t shared) {
  PlacedTree placed;
  const auto begin = sequences.front().input.begin();
  placed.tree.tokens.assign(begin, begin + shared);
  placed.tree.shared = shared;
  for (const Sequence& sequence : sequences) {
    const int64_t own_begin = std::ssize(placed.tree.tokens);
    const int64_t length = std::ssize(sequence.input);
    placed.tree.tokens.insert(placed.tree.tokens.end(), sequence.input.begin() + shared, sequence.input.end());
    const int64_t branch = std::ssize(placed.tree.branches);
    placed.tree.branches.push_back(length - shared);
    for (int64_t i = 0; i < std::ssize(sequence.targets); ++i) {
      const int64_t position = length - std::ssize(sequence.targets) + i;
      const int64_t place = position < shared ? position : own_begin + position - shared;
      placed.tree.targets.push_back({place, sequence.targets[static_cast<size_t>(i)], branch});
    }
    placed.places.push_back(sequence.places);
  }
  return placed;
}

void AppendTrees(const std::vector<Sequence>& sequences, int64_t longest, std::vector<PlacedTree>* trees) {
  const int64_t shared = CommonBeginning(sequences);
  int64_t together = shared;
  for (const Sequence& sequence : sequences) together += std::ssize(sequence.input) - shared;
  if (shared > 0 && together <= longest) {
    trees->push_back(TreeOf(sequences, shared));
    return;
  }
  for (const Sequence& sequence : sequences) trees->push_back(TreeOf({sequence}, std::ssize(sequence.input)));
}

int64_t LengthOf(const PlacedTree& placed) {
  return std::ssize(placed.tree.tokens);
}

}  // namespace

StatusOr<std::vector<ScoreBatch>> ScoreBatches(const std::vector<RequestItem>& items, const LlamaConfig& config,
                                               int64_t batch_tokens) {
  const int64_t window = config.max_position_embeddings;
  const int64_t longest = std::min({window, batch_tokens, config.sliding_window.value_or(window)});
  std::vector<PlacedTree> trees;
  int64_t place = 0;
  for (size_t item = 0; item < items.size(); ++item) {
    std::vector<Sequence> sequences;
    for (const EvalRequest& request : items[item].requests) {
      StatusOr<Sequence> sequence = SequenceOf(request, place++, window);
      if (!sequence.ok()) return Annotate(sequence.status(), absl::StrCat("item ", item + 1));
      AddSequence(*std::move(sequence), &sequences);
    }
    if (!sequences.empty()) AppendTrees(sequences, longest, &trees);
  }
  std::stable_sort(trees.begin(), trees.end(),
                   [](const PlacedTree& a, const PlacedTree& b) { return LengthOf(a) < LengthOf(b); });
  std::vector<ScoreBatch> batches;
  for (PlacedTree& placed : trees) {
    const bool fits = !batches.empty() && (std::ssize(batches.back().trees) + 1) * LengthOf(placed) <= batch_tokens;
    if (!fits) batches.emplace_back();
    batches.back().trees.push_back(std::move(placed.tree));
    batches.back().places.insert(batches.back().places.end(), placed.places.begin(), placed.places.end());
  }
  return batches;
}

BatchRange BatchesOfShard(int64_t batches, int64_t shard, int64_t shards) {
  const WindowRange range = WindowsOfShard(batches, 1, shard, shards);
  return {range.first, range.count};
}

}  // namespace lwq::worker
