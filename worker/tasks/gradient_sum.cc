// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/gradient_sum.h"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "common/artifact/tensor.h"
#include "worker/tasks/task.h"

namespace lwq::worker {
namespace {

constexpr std::string_view kGradientSumKind = "gradient_sum";
constexpr size_t kLinears = std::size(kAllLinears);

struct Shard {
  std::string name;  // for errors
  Manifest manifest;
};

Status DamagedShard(const Shard& shard, std::string_view problem) {
  return absl::DataLossError(absl::StrCat(shard.name, " ", problem));
}

// Seven parts, each as large as its shape says.
Status CheckShard(const Shard& shard) {
  const Manifest& manifest = shard.manifest;
  if (manifest.kind != kGradientSumKind) return DamagedShard(shard, "is of another kind");
  const auto linears = manifest.meta.find("linears");
  if (linears == manifest.meta.end() || !linears->is_object() || manifest.parts.size() != kLinears) {
    return DamagedShard(shard, "does not name the seven linears");
  }
  for (size_t i = 0; i < kLinears; ++i) {
    const Part& part = manifest.parts[i];
    const auto shape = linears->find(part.name);
    if (part.name != LinearName(kAllLinears[i]) || shape == linears->end() || !shape->is_array() ||
        shape->size() != 2 || !(*shape)[0].is_number_integer() || !(*shape)[1].is_number_integer()) {
      return DamagedShard(shard, absl::StrCat("has no shape of ", LinearName(kAllLinears[i])));
    }
    const auto elements = ElementCount(shape->get<std::vector<int64_t>>());
    if (!elements.ok() || part.blob.size_bytes != *elements * DTypeBytes(DType::kF32)) {
      return DamagedShard(shard, absl::StrCat("has another size of ", part.name, " than its shape says"));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<Shard>> OpenShards(BlobSource& blobs, const std::vector<ArtifactRef>& refs) {
  std::vector<Shard> shards;
  for (const ArtifactRef& ref : refs) {
    Shard shard{absl::StrCat("gradient sum ", ref.digest.short_hex()), {}};
    LWQ_ASSIGN_OR_RETURN(shard.manifest, LoadManifest(blobs, ref));
    LWQ_RETURN_IF_ERROR(CheckShard(shard));
    if (!shards.empty() && shard.manifest.meta != shards[0].manifest.meta) {
      return absl::InvalidArgumentError(
          absl::StrCat(shard.name, " and ", shards[0].name, " are of blocks of different shapes"));
    }
    shards.push_back(std::move(shard));
  }
  return shards;
}

// Σ over elements of (Σ shards / samples)², for one linear.
StatusOr<double> SquaredMean(BlobSource& blobs, const std::vector<Shard>& shards, size_t linear, int64_t samples,
                             const qat::CancelToken& cancel) {
  std::vector<double> sum(static_cast<size_t>(shards[0].manifest.parts[linear].blob.size_bytes) / sizeof(float));
  for (const Shard& shard : shards) {
    LWQ_RETURN_IF_ERROR(CheckCancelled(cancel));
    LWQ_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Fetch(shard.manifest.parts[linear].blob));
    for (size_t i = 0; i < sum.size(); ++i) {
      float value = 0;
      std::memcpy(&value, bytes.data() + i * sizeof(value), sizeof(value));
      sum[i] += static_cast<double>(value);
    }
  }
  double squares = 0;
  for (const double element : sum) {
    const double mean = element / static_cast<double>(samples);
    squares += mean * mean;
  }
  return squares;
}

}  // namespace

StatusOr<ArtifactRef> PublishGradientSum(ArtifactStore& store, const qat::LinearGradients& sum) {
  Manifest manifest;
  manifest.kind = std::string(kGradientSumKind);
  Json& linears = manifest.meta["linears"] = Json::object();
  for (const LinearKind kind : kAllLinears) {
    const std::string name(LinearName(kind));
    const auto gradient = sum.find(kind);
    if (gradient == sum.end() || gradient->second.dtype != DType::kF32) {
      return absl::InvalidArgumentError(absl::StrCat("there is no F32 gradient of ", name));
    }
    LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(gradient->second.bytes.span()));
    linears[name] = gradient->second.shape;
    manifest.parts.push_back({name, blob});
  }
  return store.Publish(manifest);
}

StatusOr<double> MeanGradientNorm(BlobSource& blobs, const std::vector<ArtifactRef>& shards, int64_t samples,
                                  const qat::CancelToken& cancel) {
  if (shards.empty() || samples < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a mean gradient of ", shards.size(), " shards and ", samples, " samples does not exist"));
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<Shard> opened, OpenShards(blobs, shards));
  double squares = 0;
  for (size_t linear = 0; linear < kLinears; ++linear) {
    LWQ_ASSIGN_OR_RETURN(const double of_linear, SquaredMean(blobs, opened, linear, samples, cancel));
    squares += of_linear;
  }
  return std::sqrt(squares);
}

}  // namespace lwq::worker
