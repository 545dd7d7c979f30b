// SPDX-License-Identifier: Apache-2.0
// Log-likelihoods at rest: what score_requests publishes for its shard and reduce_accuracy reads of all.
//
// Artifact kind "request_scores": meta {"requests"}; parts, absent where there is no request: "places", an int64 for
// each (which request of the set it is, counted over all items), "log_likelihoods", a float64 for each (the sum over
// the continuation's tokens, in nats), and "greedy", a byte for each (1: every token of it was the likeliest). Little
// endian, in the order they were computed in.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone.
#pragma once

#include <cstdint>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"

namespace lwq {

struct RequestScores {
  std::vector<int64_t> places;
  std::vector<double> log_likelihoods;
  std::vector<uint8_t> greedy;
};

StatusOr<ArtifactRef> PublishRequestScores(ArtifactStore& store, const RequestScores& scores);
StatusOr<RequestScores> LoadRequestScores(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq
