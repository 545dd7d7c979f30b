// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/repair_plan.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

namespace lwq::client {
namespace {

using lwqat::v1::StoredArtifact;

StatusOr<Digest> NamedDigest(const std::string& hex) {
  const StatusOr<Digest> digest = Digest::FromHex(hex);
  if (digest.ok()) return digest;
  return absl::DataLossError(absl::StrCat("the coordinator named no digest: ", MessageOf(digest.status())));
}

Remedy RemedyOf(const StoredArtifact& stored) {
  switch (stored.origin()) {
    case lwqat::v1::ARTIFACT_ORIGIN_RESULT:
      return Remedy::kMadeAgain;
    case lwqat::v1::ARTIFACT_ORIGIN_CHECKPOINT:
      return Remedy::kBeginAgain;
    default:
      return Remedy::kUploadAgain;
  }
}

// What nobody can make again says more about an artifact than who else has it.
int RankOf(const StoredArtifact& stored) {
  return stored.origin() == lwqat::v1::ARTIFACT_ORIGIN_INPUT ? 0 : 1;
}

// By the artifact's digest, and one of an action's outputs by its key.
struct Index {
  std::unordered_map<std::string, const StoredArtifact*> by_artifact;
  std::unordered_map<std::string, const StoredArtifact*> by_action;
};

Index IndexOf(const std::vector<StoredArtifact>& stored) {
  Index index;
  for (const StoredArtifact& one : stored) {
    const auto [known, is_new] = index.by_artifact.emplace(one.artifact().digest(), &one);
    if (!is_new && RankOf(one) < RankOf(*known->second)) known->second = &one;
    if (!one.action_key().empty()) index.by_action.emplace(one.action_key(), &one);
  }
  return index;
}

void AddRecord(const Fault& fault, const Index& index, RepairPlan& plan) {
  const auto output = index.by_action.find(fault.object.hex());
  if (output == index.by_action.end()) return;
  const StoredArtifact& first = *output->second;
  plan.damage.push_back({.artifact = first, .part = "", .fault = fault, .remedy = Remedy::kWriteAgain});
  plan.records.push_back({fault.object, first.run_id(), first.task_key()});
}

void AddBlob(const Fault& fault, const Index& index, RepairPlan& plan) {
  bool is_named = false;
  for (const auto& [owner, part] : fault.of) {
    const auto stored = index.by_artifact.find(owner.hex());
    if (stored == index.by_artifact.end()) continue;
    is_named = true;
    plan.damage.push_back(
        {.artifact = *stored->second, .part = part, .fault = fault, .remedy = RemedyOf(*stored->second)});
  }
  if (is_named && (fault.kind == FaultKind::kSize || fault.kind == FaultKind::kBytes)) {
    plan.remove_blobs.push_back(fault.object);
  }
}

auto OrderOf(const Damage& damage) {
  return std::tie(damage.artifact.run_id(), damage.artifact.what(), damage.artifact.role(), damage.part);
}

}  // namespace

std::string_view RemedyText(Remedy remedy) {
  switch (remedy) {
    case Remedy::kMadeAgain:
      return "made again";
    case Remedy::kUploadAgain:
      return "upload it again";
    case Remedy::kBeginAgain:
      return "the task begins again";
    case Remedy::kWriteAgain:
      return "written again";
  }
  return "unknown";
}

StatusOr<StoredClaims> ClaimsOf(const std::vector<StoredArtifact>& stored) {
  StoredClaims claims;
  for (const StoredArtifact& one : stored) {
    std::map<std::string, ArtifactRef> output;
    if (one.has_artifact()) {
      LWQ_ASSIGN_OR_RETURN(const Digest digest, NamedDigest(one.artifact().digest()));
      claims.artifacts.push_back({digest, one.artifact().size_bytes()});
      output.emplace(one.role(), claims.artifacts.back());
    }
    if (one.action_key().empty()) continue;
    LWQ_ASSIGN_OR_RETURN(const Digest action, NamedDigest(one.action_key()));
    claims.results[action].merge(output);
  }
  return claims;
}

RepairPlan PlanRepairs(const std::vector<StoredArtifact>& stored, const std::vector<Fault>& faults) {
  const Index index = IndexOf(stored);
  RepairPlan plan;
  for (const Fault& fault : faults) {
    fault.is_record ? AddRecord(fault, index, plan) : AddBlob(fault, index, plan);
  }
  std::stable_sort(plan.damage.begin(), plan.damage.end(),
                   [](const Damage& a, const Damage& b) { return OrderOf(a) < OrderOf(b); });
  std::set<std::string> named;
  for (const Damage& damage : plan.damage) {
    const std::string& digest = damage.artifact.artifact().digest();
    if (damage.remedy == Remedy::kWriteAgain || !named.insert(digest).second) continue;
    if (damage.remedy == Remedy::kMadeAgain) plan.lost.push_back(digest);
    if (damage.remedy == Remedy::kUploadAgain) plan.upload_again.push_back(damage.artifact);
  }
  return plan;
}

}  // namespace lwq::client
