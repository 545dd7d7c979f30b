// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/evaluate/tree_tables.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "worker/qat/device/torch_guard.h"
#include "worker/qat/model/rotary_frequencies.h"

namespace lwq::qat {
namespace {

constexpr int64_t kShared = -1;

void CheckTree(const LlamaConfig& config, const SequenceTree& tree) {
  const int64_t own = std::accumulate(tree.branches.begin(), tree.branches.end(), int64_t{0});
  const bool fits = tree.shared >= 0 && tree.shared + own == std::ssize(tree.tokens) && !tree.tokens.empty() &&
                    (tree.shared > 0 || tree.branches.size() == 1) &&
                    std::all_of(tree.branches.begin(), tree.branches.end(), [](int64_t n) { return n >= 0; });
  if (!fits) throw StatusError(absl::InvalidArgumentError("a sequence tree whose branches are not its tokens"));
  // Attention leaves out what lies more places back than the window is long; in a tree these may be nearer positions.
  if (config.sliding_window && tree.branches.size() > 1 && std::ssize(tree.tokens) > *config.sliding_window) {
    throw StatusError(absl::InvalidArgumentError("a sequence tree longer than the model's sliding window"));
  }
}

// Of every place of a tree, padding included: its position, and its branch or kShared.
struct Places {
  std::vector<int64_t> positions;
  std::vector<int64_t> branches;
};

void AppendPlaces(const SequenceTree& tree, int64_t padded, Places* places) {
  int64_t count = 0;
  const auto append = [&](int64_t position, int64_t branch) {
    places->positions.push_back(position);
    places->branches.push_back(branch);
    ++count;
  };
  for (int64_t i = 0; i < tree.shared; ++i) append(i, kShared);
  for (size_t branch = 0; branch < tree.branches.size(); ++branch) {
    for (int64_t i = 0; i < tree.branches[branch]; ++i) append(tree.shared + i, static_cast<int64_t>(branch));
  }
  const auto padding = static_cast<int64_t>(tree.branches.size());
  while (count < padded) append(tree.shared, padding);
}

}  // namespace

int64_t PaddedLength(const TreeBatch& batch) {
  int64_t longest = 0;
  for (const SequenceTree& tree : batch) longest = std::max<int64_t>(longest, std::ssize(tree.tokens));
  return longest;
}

SequenceTables MakeTreeTables(const LlamaConfig& config, const TreeBatch& batch, at::Device device) {
  const int64_t trees = std::ssize(batch), padded = PaddedLength(batch);
  Places places;
  for (const SequenceTree& tree : batch) {
    CheckTree(config, tree);
    AppendPlaces(tree, padded, &places);
  }
  const at::Tensor positions = at::tensor(places.positions).view({trees, padded});
  const at::Tensor branches = at::tensor(places.branches).view({trees, padded});

  const int64_t length = positions.max().item<int64_t>() + 1;
  const at::Tensor angles = at::outer(at::arange(length, at::kFloat), InverseFrequencies(config, length));
  const double magnitude = RotaryMagnitude(config);
  const auto rows = [&](const at::Tensor& table) {
    return table.index_select(0, positions.view(-1)).view({trees, 1, padded, -1}).mul(magnitude).to(device);
  };

  const at::Tensor place = at::arange(padded);
  at::Tensor sees = place.unsqueeze(1).ge(place.unsqueeze(0));  // [query, key]
  sees = sees.logical_and(branches.unsqueeze(1).eq(kShared).logical_or(
      branches.unsqueeze(1).eq(branches.unsqueeze(2))));  // [tree, query, key]
  if (config.sliding_window) {
    sees = sees.logical_and(positions.unsqueeze(2).sub(positions.unsqueeze(1)).lt(*config.sliding_window));
  }
  const auto hidden = -std::numeric_limits<double>::infinity();
  const at::Tensor mask = at::full({trees, padded, padded}, hidden, at::kFloat).masked_fill_(sees, 0.0);
  return {.cos = rows(angles.cos()),
          .sin = rows(angles.sin()),
          .mask = mask.view({trees, 1, 1, padded, padded}).to(device)};
}

}  // namespace lwq::qat
