// SPDX-License-Identifier: Apache-2.0
// A task's requests at rest: what prepare_requests publishes and score_requests and reduce_accuracy read.
//
// Artifact kind "eval_requests": meta {"task", "add_bos", "items", "requests"}; one part "items": for every item a line
// of canonical JSON {"gold", "requests": [{"context", "context_ids", "continuation", "continuation_ids",
// "characters"}]}, of a document also "words" and "bytes". A request without "context" and "context_ids" has those of
// the one before it.
//
// Thread-safety: free functions. Errors of reading: DATA_LOSS naming the artifact for anything that is not exactly
// this; NOT_FOUND for a blob that is gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/eval_tasks/eval_requests.h"
#include "common/status/status.h"

namespace lwq {

struct RequestSet {
  std::string task;
  bool add_bos = false;
  std::vector<RequestItem> items;

  int64_t requests() const;
};

StatusOr<ArtifactRef> PublishRequestSet(ArtifactStore& store, const RequestSet& set);
StatusOr<RequestSet> LoadRequestSet(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq
