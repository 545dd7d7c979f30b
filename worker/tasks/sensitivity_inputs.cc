// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/sensitivity_inputs.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace lwq::worker {
namespace {

class OwnedRange : public SampleRange {
 public:
  OwnedRange(std::unique_ptr<SampleSource> source, int64_t first, int64_t count)
      : SampleRange(source.get(), first, count), source_(std::move(source)) {}

 private:
  std::unique_ptr<SampleSource> source_;
};

}  // namespace

StatusOr<std::unique_ptr<SampleSource>> OpenSet(const Task& task, const TaskContext& context, std::string_view role) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, InputOf(task, role));
  LWQ_ASSIGN_OR_RETURN(auto set, SampleSetReader::Open(context.blobs, ref));
  return std::unique_ptr<SampleSource>(std::move(set));
}

StatusOr<std::unique_ptr<SampleSource>> OpenShard(const Task& task, const TaskContext& context, std::string_view role,
                                                  int64_t first, int64_t count) {
  LWQ_ASSIGN_OR_RETURN(auto set, OpenSet(task, context, role));
  const int64_t samples = set->samples();
  if (first < 0 || count < 1 || first > samples || count > samples - first) {
    return absl::InvalidArgumentError(absl::StrCat("the shard of ", count, " samples from ", first, " on is not in '",
                                                   role, "', which has ", samples, " samples"));
  }
  return std::unique_ptr<SampleSource>(new OwnedRange(std::move(set), first, count));
}

StatusOr<std::unique_ptr<SampleSetWriter>> NewGradients(const TaskContext& context, const SampleSource& activations) {
  const std::vector<int64_t>& shape = activations.sample_shape();
  if (shape.size() != 2) return absl::InvalidArgumentError("activations must be [samples, seqlen, hidden]");
  return std::make_unique<SampleSetWriter>(context.store, DType::kF32, shape,
                                           ChunkSamples(shape[0] * shape[1] * DTypeBytes(DType::kF32), 1));
}

StatusOr<std::vector<BlockMaker>> RtnCandidates(ModelInput& model, int64_t block,
                                                const std::vector<qat::RtnOptions>& choices) {
  std::vector<BlockMaker> candidates;
  if (choices.empty()) return candidates;
  LWQ_ASSIGN_OR_RETURN(const qat::BlockState state, model.Block(block));
  for (const qat::RtnOptions& choice : choices) {
    candidates.push_back([&model, state, choice] { return qat::QuantizeRtn(model.config(), state, choice); });
  }
  return candidates;
}

StatusOr<Json> FiniteNumbers(const std::vector<double>& numbers, std::string_view what) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (std::isfinite(numbers[i])) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(what, " [", i, "] is ", numbers[i], ": the model's weights or activations are not finite"));
  }
  return Json(numbers);
}

}  // namespace lwq::worker
