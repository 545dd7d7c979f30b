// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/collector.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/artifact/object_listing.h"
#include "common/artifact/task_result.h"

namespace lwq {
namespace {

constexpr std::string_view kManifestBegin = R"({"kind":)";
constexpr char kRecordKind[] = "results";
constexpr char kPartKind[] = "parts";

void Count(const ObjectInfo& object, ObjectCount& count) {
  ++count.objects;
  count.bytes += object.size_bytes;
}

}  // namespace

Status Collector::Run(CollectionReport& report) {
  LWQ_ASSIGN_OR_RETURN(const CollectionRoots roots, ask_roots_());
  report.work_unknown = roots.working_since_unix_ms == 0;
  horizon_unix_ms_ =
      report.work_unknown
          ? std::numeric_limits<int64_t>::min()
          : std::min(roots.now_unix_ms - options_.grace_ms, roots.working_since_unix_ms) - kRenewAfterMs - kClockSkewMs;
  report.horizon_unix_ms = horizon_unix_ms_;
  LWQ_RETURN_IF_ERROR(TakeRoots(roots));
  LWQ_RETURN_IF_ERROR(ListResults(report));
  LWQ_RETURN_IF_ERROR(ListBlobs(report));
  LWQ_RETURN_IF_ERROR(TellKinds());
  for (const Object& object : garbage_) {
    Count({object.key, object.size_bytes}, report.kinds[object.kind].garbage);
  }
  if (options_.dry_run || garbage_.empty()) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const CollectionRoots again, ask_roots_());
  LWQ_RETURN_IF_ERROR(TakeRoots(again));
  return DeleteGarbage(report);
}

Status Collector::TakeRoots(const CollectionRoots& roots) {
  results_.insert(roots.results.begin(), roots.results.end());
  const auto total = static_cast<int64_t>(roots.artifacts.size());
  int64_t done = 0;
  for (const ArtifactRef& artifact : roots.artifacts) {
    Say("reading what is needed", done++, total);
    if (reachable_.contains(artifact.digest)) continue;
    const StatusOr<Manifest> manifest = LoadManifest(artifacts_, artifact);
    const bool unreadable = absl::IsNotFound(manifest.status()) || absl::IsDataLoss(manifest.status());
    if (!manifest.ok() && !unreadable) return manifest.status();
    const std::string_view kind = *kinds_.insert(manifest.ok() ? manifest->kind : kPartKind).first;
    reachable_[artifact.digest] = kind;
    if (!manifest.ok()) continue;
    for (const Part& part : manifest->parts) reachable_.emplace(part.blob.digest, kind);
  }
  return absl::OkStatus();
}

Status Collector::ListResults(CollectionReport& report) {
  int64_t listed = 0;
  return ForEachObject(*artifacts_.store(), kResultPrefix, [&](const ObjectInfo& object) {
    Say("listing results", ++listed, 0);
    const std::optional<Digest> action = DigestOfKey(object.key, ResultKey);
    if (!action.has_value()) return;
    CollectionReport::Kind& records = report.kinds[kRecordKind];
    if (results_.contains(*action)) {
      Count(object, records.kept);
    } else if (object.modified_unix_ms >= horizon_unix_ms_) {
      Count(object, records.young);
    } else {
      garbage_.push_back({object.key, *action, object.size_bytes, false, kRecordKind});
    }
  });
}

Status Collector::ListBlobs(CollectionReport& report) {
  int64_t listed = 0;
  return ForEachObject(*artifacts_.store(), kBlobPrefix, [&](const ObjectInfo& object) {
    Say("listing blobs", ++listed, 0);
    const std::optional<Digest> digest = DigestOfKey(object.key, BlobKey);
    if (!digest.has_value()) return;
    const auto reachable = reachable_.find(*digest);
    if (reachable != reachable_.end()) {
      Count(object, report.kinds[std::string(reachable->second)].kept);
    } else if (object.modified_unix_ms >= horizon_unix_ms_) {
      Count(object, report.kinds[kPartKind].young);
    } else {
      garbage_.push_back({object.key, *digest, object.size_bytes, false, kPartKind});
    }
  });
}

Status Collector::TellKinds() {
  std::unordered_map<Digest, std::string> kind_of_part;
  const auto total = static_cast<int64_t>(garbage_.size());
  int64_t done = 0;
  for (Object& object : garbage_) {
    Say("looking at what is not needed", done++, total);
    if (object.kind != kPartKind || object.size_bytes < static_cast<int64_t>(kManifestBegin.size())) continue;
    const StatusOr<Bytes> begin = artifacts_.store()->GetRange(object.key, 0, kManifestBegin.size());
    if (absl::IsNotFound(begin.status()) || absl::IsOutOfRange(begin.status())) continue;  // it is gone already
    LWQ_RETURN_IF_ERROR(begin.status());
    if (begin->view() != kManifestBegin) continue;
    const StatusOr<Bytes> text = artifacts_.store()->Get(object.key);
    if (absl::IsNotFound(text.status())) continue;
    LWQ_RETURN_IF_ERROR(text.status());
    const StatusOr<Manifest> manifest = ParseManifest(text->view(), object.key);
    if (!manifest.ok()) continue;
    object.is_manifest = true;
    object.kind = manifest->kind;
    for (const Part& part : manifest->parts) kind_of_part.emplace(part.blob.digest, manifest->kind);
  }
  for (Object& object : garbage_) {
    if (object.kind != kPartKind) continue;
    const auto kind = kind_of_part.find(object.digest);
    if (kind != kind_of_part.end()) object.kind = kind->second;
  }
  return absl::OkStatus();
}

bool Collector::IsReachable(const Object& object) const {
  return object.kind == kRecordKind ? results_.contains(object.digest) : reachable_.contains(object.digest);
}

// Records first, then manifests: so nobody finds a name whose bytes are already going.
Status Collector::DeleteGarbage(CollectionReport& report) {
  const auto rank = [](const Object& object) { return object.kind == kRecordKind ? 0 : object.is_manifest ? 1 : 2; };
  std::stable_sort(garbage_.begin(), garbage_.end(),
                   [&](const Object& a, const Object& b) { return rank(a) < rank(b); });
  const auto total = static_cast<int64_t>(garbage_.size());
  int64_t done = 0;
  for (const Object& object : garbage_) {
    Say("deleting", done++, total);
    if (!IsReachable(object)) LWQ_RETURN_IF_ERROR(DeleteIfStillOld(object, report));
  }
  return absl::OkStatus();
}

Status Collector::DeleteIfStillOld(const Object& object, CollectionReport& report) {
  const StatusOr<ObjectInfo> info = artifacts_.store()->Head(object.key);
  if (absl::IsNotFound(info.status())) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(info.status());
  if (info->modified_unix_ms >= horizon_unix_ms_) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(artifacts_.store()->Delete(object.key));
  Count(*info, report.deleted);
  return absl::OkStatus();
}

void Collector::Say(std::string_view doing, int64_t done, int64_t total) const {
  if (progress_) progress_(doing, done, total);
}

}  // namespace lwq
