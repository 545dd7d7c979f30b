// SPDX-License-Identifier: Apache-2.0
#include "worker/tasks/window_losses.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"

namespace lwq::worker {
namespace {

constexpr std::string_view kWindowLossesKind = "window_losses";
constexpr char kLosses[] = "losses";

}  // namespace

StatusOr<ArtifactRef> PublishWindowLosses(ArtifactStore& store, const WindowLosses& measured) {
  Manifest manifest;
  manifest.kind = std::string(kWindowLossesKind);
  manifest.meta = {{"windows", measured.losses.size()}, {"seqlen", measured.seqlen}};
  if (!measured.losses.empty()) {
    LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(std::as_bytes(std::span(measured.losses))));
    manifest.parts.push_back({kLosses, blob});
  }
  return store.Publish(manifest);
}

StatusOr<WindowLosses> LoadWindowLosses(BlobSource& blobs, const ArtifactRef& artifact) {
  const auto damaged = [&](std::string_view problem) {
    return absl::DataLossError(absl::StrCat("window losses ", artifact.digest.short_hex(), " ", problem));
  };
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kWindowLossesKind) return damaged("are of another kind");
  const StatusOr<int64_t> windows = JsonInt(manifest.meta, "windows", "meta");
  const StatusOr<int64_t> seqlen = JsonInt(manifest.meta, "seqlen", "meta");
  if (!windows.ok() || !seqlen.ok() || *windows < 0 || *seqlen < 2) return damaged("do not say of which windows");
  WindowLosses measured{.seqlen = *seqlen, .losses = {}};
  if (*windows == 0 && manifest.parts.empty()) return measured;
  constexpr auto kBytes = static_cast<int64_t>(sizeof(double));
  if (manifest.parts.size() != 1 || manifest.parts[0].name != kLosses ||
      manifest.parts[0].blob.size_bytes % kBytes != 0 || manifest.parts[0].blob.size_bytes / kBytes != *windows) {
    return damaged("have not one number for each window");
  }
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Fetch(manifest.parts[0].blob));
  measured.losses.resize(static_cast<size_t>(*windows));
  std::memcpy(measured.losses.data(), bytes.data(), bytes.size());
  return measured;
}

WindowRange WindowsOfShard(int64_t windows, int64_t micro_batch, int64_t shard, int64_t shards) {
  const int64_t batches = (windows + micro_batch - 1) / micro_batch;
  const auto begin = [&](int64_t index) { return std::min(windows, batches * index / shards * micro_batch); };
  return {.first = begin(shard), .count = begin(shard + 1) - begin(shard)};
}

}  // namespace lwq::worker
