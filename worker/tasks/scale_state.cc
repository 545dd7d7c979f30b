// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/scale_state.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/artifact/safetensors.h"

namespace lwq::worker {
namespace {

constexpr std::string_view kStateKind = "scale_state";
constexpr std::string_view kStatePart = "state.safetensors";
constexpr int64_t kTensorsOfBlock = 3;

Status NotAState(const std::string& name, std::string_view problem) {
  return absl::DataLossError(absl::StrCat(name, " is not a state of E2E-QP: ", problem));
}

// Calls visit(name, tensor) for the tensors of block `index`.
template <typename Block, typename Visit>
Status ForEachTensor(int64_t index, Block& block, Visit visit) {
  LWQ_RETURN_IF_ERROR(visit(absl::StrCat(index, ".scales"), block.scales));
  LWQ_RETURN_IF_ERROR(visit(absl::StrCat(index, ".exp_avg"), block.exp_avg));
  return visit(absl::StrCat(index, ".exp_avg_sq"), block.exp_avg_sq);
}

}  // namespace

StatusOr<ArtifactRef> PublishScaleState(ArtifactStore& store, const qat::ScaleState& state) {
  std::map<std::string, HostTensor> tensors;
  for (int64_t k = 0; k < std::ssize(state.blocks); ++k) {
    LWQ_RETURN_IF_ERROR(
        ForEachTensor(k, state.blocks[static_cast<size_t>(k)], [&](std::string name, const HostTensor& tensor) {
          tensors[std::move(name)] = tensor;
          return absl::OkStatus();
        }));
  }
  LWQ_ASSIGN_OR_RETURN(const std::string file, SerializeSafetensors(tensors, {}));
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(file));
  Manifest manifest;
  manifest.kind = std::string(kStateKind);
  manifest.meta = {{"steps", state.steps}, {"blocks", state.blocks.size()}};
  manifest.parts.push_back(Part{std::string(kStatePart), blob});
  return store.Publish(manifest);
}

StatusOr<qat::ScaleState> LoadScaleState(BlobSource& blobs, const ArtifactRef& artifact) {
  const std::string name = absl::StrCat("state ", artifact.digest.short_hex());
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kStateKind || manifest.parts.size() != 1 || manifest.parts[0].name != kStatePart) {
    return NotAState(
        name, absl::StrCat("an artifact of kind \"", manifest.kind, "\" with ", manifest.parts.size(), " parts"));
  }
  const StatusOr<int64_t> steps = JsonInt(manifest.meta, "steps", name);
  const StatusOr<int64_t> blocks = JsonInt(manifest.meta, "blocks", name);
  if (!steps.ok() || !blocks.ok()) return NotAState(name, "it does not say how many steps and blocks it has");
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, blobs.Fetch(manifest.parts[0].blob));
  LWQ_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Parse(std::move(bytes), name));
  const auto held = static_cast<int64_t>(file.header().tensors.size());
  if (*blocks < 0 || held % kTensorsOfBlock != 0 || held / kTensorsOfBlock != *blocks) {
    return NotAState(name, absl::StrCat("it holds ", held, " tensors of ", *blocks, " blocks"));
  }
  qat::ScaleState state{.steps = *steps, .blocks = {}};
  for (int64_t k = 0; k < *blocks; ++k) {
    const auto read = [&](const std::string& tensor, HostTensor& into) -> Status {
      if (!file.Contains(tensor)) return NotAState(name, absl::StrCat("it has no tensor ", tensor));
      StatusOr<HostTensor> found = file.Get(tensor);
      if (!found.ok()) return NotAState(name, MessageOf(found.status()));
      into = *std::move(found);
      return absl::OkStatus();
    };
    LWQ_RETURN_IF_ERROR(ForEachTensor(k, state.blocks.emplace_back(), read));
  }
  return state;
}

}  // namespace lwq::worker
