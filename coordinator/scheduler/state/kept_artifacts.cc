// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/kept_artifacts.h"

namespace lwq::coordinator {

std::string_view KeptKindName(KeptKind kind) {
  switch (kind) {
    case KeptKind::kCheckpoint:
      return "checkpoint";
    case KeptKind::kExport:
      return "export";
    case KeptKind::kTokens:
      return "tokens";
    case KeptKind::kLosses:
      return "losses";
  }
  return "unknown";
}

std::optional<KeptKind> KeptKindOf(TaskKind kind, std::string_view role) {
  if (IsDisposable(kind, role)) return std::nullopt;
  switch (kind) {
    case TaskKind::kTrainBlock:
    case TaskKind::kRtnBlock:
    case TaskKind::kGptqBlock:
    case TaskKind::kFitRounding:
    case TaskKind::kTrainScales:
      return KeptKind::kCheckpoint;
    case TaskKind::kExport:
      return KeptKind::kExport;
    case TaskKind::kTokenize:
    case TaskKind::kPrepareRequests:
      return KeptKind::kTokens;
    case TaskKind::kEvaluatePpl:
    case TaskKind::kEvaluateReference:
    case TaskKind::kEvaluateKl:
    case TaskKind::kScoreRequests:
    case TaskKind::kReduceAccuracy:
      return KeptKind::kLosses;
    default:
      return std::nullopt;
  }
}

void KeptArtifacts::AddResult(const ArtifactRef& artifact) {
  const auto [it, is_new] = all_.try_emplace(artifact.digest);
  if (is_new) it->second.size_bytes = artifact.size_bytes;
  ++it->second.results;
}

bool KeptArtifacts::DropResult(const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  LWQ_CHECK(it != all_.end(), "artifact ", artifact.short_hex(), " is no action's result");
  if (--it->second.results > 0) return false;
  if (it->second.retired) changes.push_back(DropDiscarded{artifact});
  all_.erase(it);
  return true;
}

void KeptArtifacts::Retire(const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  LWQ_CHECK(it != all_.end(), "artifact ", artifact.short_hex(), " is no action's result");
  if (it->second.retired) return;
  it->second.retired = true;
  changes.push_back(PutDiscarded{{{artifact, it->second.size_bytes}, /*deleted=*/true}});
}

void KeptArtifacts::Made(const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  if (it == all_.end() || !it->second.retired) return;
  it->second.retired = false;
  changes.push_back(DropDiscarded{artifact});
}

bool KeptArtifacts::IsReadable(const Digest& artifact) const {
  const auto it = all_.find(artifact);
  return it == all_.end() || !it->second.retired;
}

}  // namespace lwq::coordinator
