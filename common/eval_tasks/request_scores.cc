// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/request_scores.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/artifact/number_part.h"

namespace lwq {
namespace {

constexpr std::string_view kRequestScoresKind = "request_scores";
constexpr char kPlaces[] = "places";
constexpr char kLogLikelihoods[] = "log_likelihoods";
constexpr char kGreedy[] = "greedy";

}  // namespace

StatusOr<ArtifactRef> PublishRequestScores(ArtifactStore& store, const RequestScores& scores) {
  Manifest manifest;
  manifest.kind = std::string(kRequestScoresKind);
  manifest.meta = {{"requests", scores.places.size()}};
  if (!scores.places.empty()) {
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kPlaces, scores.places, &manifest));
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kLogLikelihoods, scores.log_likelihoods, &manifest));
    LWQ_RETURN_IF_ERROR(PutNumbers(store, kGreedy, scores.greedy, &manifest));
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
  LWQ_ASSIGN_OR_RETURN(const bool has_places,
                       TakeNumbers(blobs, manifest.parts[0], kPlaces, *requests, &scores.places));
  LWQ_ASSIGN_OR_RETURN(const bool has_sums,
                       TakeNumbers(blobs, manifest.parts[1], kLogLikelihoods, *requests, &scores.log_likelihoods));
  LWQ_ASSIGN_OR_RETURN(const bool has_greedy,
                       TakeNumbers(blobs, manifest.parts[2], kGreedy, *requests, &scores.greedy));
  if (!has_places || !has_sums || !has_greedy) return damaged("have not one of each for each request");
  return scores;
}

}  // namespace lwq
