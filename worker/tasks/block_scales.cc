// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/block_scales.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/artifact/safetensors.h"

namespace lwq::worker {
namespace {

constexpr std::string_view kScalesKind = "scales";
constexpr std::string_view kScalesPart = "scales.safetensors";

Status NotScales(const std::string& name, std::string_view problem) {
  return absl::DataLossError(absl::StrCat(name, " is not a block's scales: ", problem));
}

}  // namespace

StatusOr<ArtifactRef> PublishScales(ArtifactStore& store, const qat::BlockScales& scales) {
  std::map<std::string, HostTensor> tensors;
  for (const qat::ScaledSource source : qat::kScaledSources) {
    tensors[std::string(qat::ScaledSourceName(source))] = scales[static_cast<size_t>(source)];
  }
  LWQ_ASSIGN_OR_RETURN(const std::string file, SerializeSafetensors(tensors, {}));
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(file));
  Manifest manifest;
  manifest.kind = std::string(kScalesKind);
  manifest.parts.push_back(Part{std::string(kScalesPart), blob});
  return store.Publish(manifest);
}

StatusOr<qat::BlockScales> LoadScales(BlobSource& blobs, const ArtifactRef& artifact) {
  const std::string name = absl::StrCat("scales ", artifact.digest.short_hex());
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kScalesKind || manifest.parts.size() != 1 || manifest.parts[0].name != kScalesPart) {
    return NotScales(
        name, absl::StrCat("an artifact of kind \"", manifest.kind, "\" with ", manifest.parts.size(), " parts"));
  }
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, blobs.Fetch(manifest.parts[0].blob));
  LWQ_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Parse(std::move(bytes), name));
  if (file.header().tensors.size() != std::size(qat::kScaledSources)) {
    return NotScales(name, absl::StrCat("it holds ", file.header().tensors.size(), " tensors, expected ",
                                        std::size(qat::kScaledSources)));
  }
  qat::BlockScales scales;
  for (const qat::ScaledSource source : qat::kScaledSources) {
    const std::string_view tensor = qat::ScaledSourceName(source);
    if (!file.Contains(tensor)) return NotScales(name, absl::StrCat("it has no tensor ", tensor));
    StatusOr<HostTensor> read = file.Get(tensor);
    if (!read.ok()) return NotScales(name, MessageOf(read.status()));
    if (read->dtype != DType::kF32 || read->shape.size() != 1) {
      return NotScales(name, absl::StrCat(tensor, " is ", DTypeName(read->dtype), " ", ShapeText(read->shape)));
    }
    scales[static_cast<size_t>(source)] = *std::move(read);
  }
  return scales;
}

}  // namespace lwq::worker
