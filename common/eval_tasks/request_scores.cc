// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/request_scores.h"

#include <cstring>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"

namespace lwq {
namespace {

constexpr std::string_view kRequestScoresKind = "request_scores";
constexpr char kPlaces[] = "places";
constexpr char kLogLikelihoods[] = "log_likelihoods";
constexpr char kGreedy[] = "greedy";

template <typename T>
Status PutPart(ArtifactStore& store, const char* name, const std::vector<T>& values, Manifest* manifest) {
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(std::as_bytes(std::span(values))));
  manifest->parts.push_back({name, blob});
  return absl::OkStatus();
}

// False where the part is not that one, or has not so many values.
template <typename T>
StatusOr<bool> TakePart(BlobSource& blobs, const Part& part, std::string_view name, int64_t count,
                        std::vector<T>* values) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
  if (part.name != name || part.blob.size_bytes % kBytes != 0 || part.blob.size_bytes / kBytes != count) return false;
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Fetch(part.blob));
  values->resize(static_cast<size_t>(count));
  std::memcpy(values->data(), bytes.data(), bytes.size());
  return true;
}

}  // namespace

StatusOr<ArtifactRef> PublishRequestScores(ArtifactStore& store, const RequestScores& scores) {
  Manifest manifest;
  manifest.kind = std::string(kRequestScoresKind);
  manifest.meta = {{"requests", scores.places.size()}};
  if (!scores.places.empty()) {
    LWQ_RETURN_IF_ERROR(PutPart(store, kPlaces, scores.places, &manifest));
    LWQ_RETURN_IF_ERROR(PutPart(store, kLogLikelihoods, scores.log_likelihoods, &manifest));
    LWQ_RETURN_IF_ERROR(PutPart(store, kGreedy, scores.greedy, &manifest));
  }
  return store.Publish(manifest);
}

StatusOr<RequestScores> LoadRequestScores(BlobSource& blobs, const ArtifactRef& artifact) {
  const auto damaged = [&](std::string_view problem) {
    return absl::DataLossError(absl::StrCat("scores ", artifact.digest.short_hex(), " ", problem));
  };
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kRequestScoresKind) return damaged("are of another kind");
  const StatusOr<int64_t> requests = JsonInt(manifest.meta, "requests", "meta");
  if (!requests.ok() || *requests < 0) return damaged("do not say of how many requests");
  RequestScores scores;
  if (*requests == 0 && manifest.parts.empty()) return scores;
  if (manifest.parts.size() != 3) return damaged("have not their three parts");
  LWQ_ASSIGN_OR_RETURN(const bool has_places, TakePart(blobs, manifest.parts[0], kPlaces, *requests, &scores.places));
  LWQ_ASSIGN_OR_RETURN(const bool has_sums,
                       TakePart(blobs, manifest.parts[1], kLogLikelihoods, *requests, &scores.log_likelihoods));
  LWQ_ASSIGN_OR_RETURN(const bool has_greedy, TakePart(blobs, manifest.parts[2], kGreedy, *requests, &scores.greedy));
  if (!has_places || !has_sums || !has_greedy) return damaged("have not one of each for each request");
  return scores;
}

}  // namespace lwq
