// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/verifier.h"

#include <algorithm>
#include <set>

#include "common/artifact/object_listing.h"
#include "common/artifact/task_result.h"
#include "common/sync/mutex.h"
#include "common/sync/parallel.h"

namespace lwq {
namespace {

// Blobs of one batch for each thread: a verification that is stopped repeats a batch.
constexpr int64_t kBatchPerThread = 16;

// NOT_FOUND and DATA_LOSS are what a verification looks for; `damaged` is what the second means here. Other errors are
// errors.
StatusOr<std::optional<FaultKind>> FaultOf(const Status& status, FaultKind damaged) {
  if (status.ok()) return std::optional<FaultKind>();
  if (absl::IsNotFound(status)) return std::optional(FaultKind::kGone);
  if (absl::IsDataLoss(status)) return std::optional(damaged);
  return status;
}

}  // namespace

std::string_view FaultKindName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kGone:
      return "gone";
    case FaultKind::kSize:
      return "wrong size";
    case FaultKind::kBytes:
      return "damaged";
    case FaultKind::kInvalid:
      return "no manifest";
    case FaultKind::kDiffers:
      return "names other artifacts";
  }
  return "unknown";
}

Status Verifier::Run(VerificationReport& report) {
  LWQ_ASSIGN_OR_RETURN(const StoredClaims claims, ask_claims_());
  LWQ_RETURN_IF_ERROR(ReadManifests(claims));
  std::set<Digest> artifacts;
  for (const ArtifactRef& artifact : claims.artifacts) artifacts.insert(artifact.digest);
  report.artifacts = static_cast<int64_t>(artifacts.size());
  report.records = static_cast<int64_t>(claims.results.size());
  Status status = CompareListing(report);
  if (status.ok()) status = CheckRecords(claims);
  if (status.ok() && !options_.quick) status = HashBlobs(report);
  report.faults = Faults();
  LWQ_RETURN_IF_ERROR(status);
  return report.faults.empty() ? absl::OkStatus() : LookAgain(report);
}

Status Verifier::ReadManifests(const StoredClaims& claims) {
  std::map<Digest, ArtifactRef> distinct;
  for (const ArtifactRef& artifact : claims.artifacts) distinct.emplace(artifact.digest, artifact);
  std::vector<ArtifactRef> artifacts;
  for (const auto& [digest, artifact] : distinct) artifacts.push_back(artifact);
  const auto total = static_cast<int64_t>(artifacts.size());
  Mutex mutex;
  int64_t done = 0;
  return ParallelFor(total, options_.threads, [&](int64_t i) -> Status {
    const ArtifactRef& artifact = artifacts[static_cast<size_t>(i)];
    const StatusOr<Bytes> text = artifacts_.Fetch({artifact.digest, kSizeUnknown});
    LWQ_ASSIGN_OR_RETURN(std::optional<FaultKind> fault, FaultOf(text.status(), FaultKind::kBytes));
    StatusOr<Manifest> manifest = absl::DataLossError("it could not be read");
    if (!fault.has_value()) {
      manifest = ParseManifest(text->view(), "manifest");
      const StatusOr<int64_t> content = manifest.ok() ? ContentBytes(*manifest) : manifest.status();
      if (!content.ok() || *content != artifact.size_bytes) fault = FaultKind::kInvalid;
    }
    const MutexLock lock(&mutex);
    if (progress_) progress_({.doing = "reading manifests", .done = ++done, .total = total});
    blobs_[artifact.digest].of.emplace_back(artifact.digest, "");
    if (fault.has_value()) {
      AddFault(artifact.digest, *fault);
      return absl::OkStatus();
    }
    for (const Part& part : manifest->parts) {
      Blob& blob = blobs_[part.blob.digest];
      blob.size_bytes = part.blob.size_bytes;
      blob.of.emplace_back(artifact.digest, part.name);
    }
    return absl::OkStatus();
  });
}

void Verifier::AddFault(const Digest& blob, FaultKind kind, int64_t found_bytes) {
  blob_faults_[blob] = {.kind = kind, .object = blob, .found_bytes = found_bytes};
}

std::vector<Fault> Verifier::Faults() const {
  std::vector<Fault> faults;
  for (const auto& [digest, found] : blob_faults_) {
    Fault& fault = faults.emplace_back(found);
    const Blob& blob = blobs_.at(digest);
    fault.expected_bytes = blob.size_bytes;
    fault.of = blob.of;
    std::sort(fault.of.begin(), fault.of.end());
  }
  for (const auto& [action, fault] : record_faults_) faults.push_back(fault);
  return faults;
}

Status Verifier::CompareListing(VerificationReport& report) {
  std::map<Digest, int64_t> listed;
  LWQ_RETURN_IF_ERROR(ForEachObject(*artifacts_.store(), kBlobPrefix, [&](const ObjectInfo& object) {
    const std::optional<Digest> digest = DigestOfKey(object.key, BlobKey);
    if (!digest.has_value()) return;
    listed[*digest] = object.size_bytes;
    ObjectCount& count = blobs_.contains(*digest) ? report.blobs : report.unneeded;
    ++count.objects;
    count.bytes += object.size_bytes;
    if (progress_) progress_({.doing = "listing blobs", .done = static_cast<int64_t>(listed.size())});
  }));
  for (const auto& [digest, blob] : blobs_) {
    if (blob_faults_.contains(digest)) continue;
    const auto found = listed.find(digest);
    if (found == listed.end()) {
      AddFault(digest, FaultKind::kGone);
    } else if (blob.size_bytes != kSizeUnknown && found->second != blob.size_bytes) {
      AddFault(digest, FaultKind::kSize, found->second);
    }
  }
  return absl::OkStatus();
}

Status Verifier::HashBlobs(VerificationReport& report) {
  std::vector<std::pair<Digest, int64_t>> blobs;
  int64_t total_bytes = 0;
  for (const auto& [digest, blob] : blobs_) {
    // Manifests were hashed when they were read.
    if (blob.size_bytes == kSizeUnknown || blob_faults_.contains(digest) || digest < options_.from) continue;
    blobs.emplace_back(digest, blob.size_bytes);
    total_bytes += blob.size_bytes;
  }
  const auto total = static_cast<int64_t>(blobs.size());
  Mutex mutex;
  for (int64_t begin = 0; begin < total; begin += kBatchPerThread * options_.threads) {
    const int64_t count = std::min(kBatchPerThread * options_.threads, total - begin);
    const Status status = ParallelFor(count, options_.threads, [&](int64_t i) -> Status {
      const auto& [digest, size_bytes] = blobs[static_cast<size_t>(begin + i)];
      LWQ_ASSIGN_OR_RETURN(const std::optional<FaultKind> fault, FaultOfBytes(digest, size_bytes));
      const MutexLock lock(&mutex);
      if (fault.has_value()) AddFault(digest, *fault);
      ++report.verified.objects;
      report.verified.bytes += size_bytes;
      if (progress_) {
        progress_({.doing = "reading blobs",
                   .done = report.verified.objects,
                   .total = total,
                   .done_bytes = report.verified.bytes,
                   .total_bytes = total_bytes});
      }
      return absl::OkStatus();
    });
    if (status.ok()) continue;
    report.stopped_at = blobs[static_cast<size_t>(begin)].first;
    return status;
  }
  return absl::OkStatus();
}

StatusOr<std::optional<FaultKind>> Verifier::FaultOfBytes(const Digest& digest, int64_t size_bytes) {
  const StatusOr<Bytes> bytes = artifacts_.FetchUnverified(digest);
  if (!bytes.ok()) return FaultOf(bytes.status(), FaultKind::kBytes);
  if (size_bytes != kSizeUnknown && static_cast<int64_t>(bytes->size()) != size_bytes) {
    return std::optional(FaultKind::kSize);
  }
  return FaultOf(artifacts_.Verify(digest, *bytes), FaultKind::kBytes);
}

StatusOr<std::optional<FaultKind>> Verifier::FaultOfRecord(const Digest& action,
                                                           const std::map<std::string, ArtifactRef>& outputs) {
  if (options_.quick) {
    const Status there = artifacts_.store()->Head(ResultKey(action)).status();
    return FaultOf(there, FaultKind::kBytes);
  }
  const StatusOr<TaskResult> record = ReadTaskResult(*artifacts_.store(), action);
  if (!record.ok()) return FaultOf(record.status(), FaultKind::kBytes);
  // What was given up is named by the record still, and by nobody else.
  const bool same = std::all_of(outputs.begin(), outputs.end(), [&](const auto& output) {
    const auto found = record->outputs.find(output.first);
    return found != record->outputs.end() && found->second == output.second;
  });
  return same ? std::optional<FaultKind>() : std::optional(FaultKind::kDiffers);
}

Status Verifier::CheckRecords(const StoredClaims& claims) {
  std::vector<const std::pair<const Digest, std::map<std::string, ArtifactRef>>*> results;
  for (const auto& result : claims.results) results.push_back(&result);
  const auto total = static_cast<int64_t>(results.size());
  Mutex mutex;
  int64_t done = 0;
  return ParallelFor(total, options_.threads, [&](int64_t i) -> Status {
    const auto& [action, outputs] = *results[static_cast<size_t>(i)];
    LWQ_ASSIGN_OR_RETURN(const std::optional<FaultKind> fault, FaultOfRecord(action, outputs));
    const MutexLock lock(&mutex);
    if (progress_) progress_({.doing = "reading records of results", .done = ++done, .total = total});
    if (fault.has_value()) record_faults_[action] = {.kind = *fault, .object = action, .is_record = true};
    return absl::OkStatus();
  });
}

Status Verifier::LookAgain(VerificationReport& report) {
  LWQ_ASSIGN_OR_RETURN(const StoredClaims claims, ask_claims_());
  std::set<Digest> still_named;
  for (const ArtifactRef& artifact : claims.artifacts) still_named.insert(artifact.digest);
  std::vector<Fault> faults;
  for (Fault fault : report.faults) {
    std::erase_if(fault.of, [&](const auto& owner) { return !still_named.contains(owner.first); });
    LWQ_ASSIGN_OR_RETURN(const bool is_there, IsStillThere(fault, claims));
    if (is_there) faults.push_back(std::move(fault));
  }
  report.faults = std::move(faults);
  return absl::OkStatus();
}

StatusOr<bool> Verifier::IsStillThere(const Fault& fault, const StoredClaims& claims) {
  if (fault.is_record) {
    const auto result = claims.results.find(fault.object);
    if (result == claims.results.end()) return false;
    LWQ_ASSIGN_OR_RETURN(const std::optional<FaultKind> again, FaultOfRecord(result->first, result->second));
    return again.has_value();
  }
  if (fault.of.empty()) return false;
  if (fault.kind == FaultKind::kInvalid) return true;  // the bytes are those of the name: they never change
  if (options_.quick && fault.kind != FaultKind::kBytes) {
    LWQ_ASSIGN_OR_RETURN(const bool is_there, artifacts_.HasBlob({fault.object, fault.expected_bytes}));
    return !is_there;
  }
  LWQ_ASSIGN_OR_RETURN(const std::optional<FaultKind> again, FaultOfBytes(fault.object, fault.expected_bytes));
  return again.has_value();
}

}  // namespace lwq
