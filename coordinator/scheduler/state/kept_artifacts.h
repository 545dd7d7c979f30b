// SPDX-License-Identifier: Apache-2.0
// Results that are not discarded for want of room: checkpoints, exports, tokens, losses. What is known of them by
// content, whoever made them.
//
// Such an artifact is STORED as long as the result of an action that is remembered says so, unless it was retired: then
// its name is kept and its bytes may be collected (common/artifact/collector.h), and whoever has to read it has it made
// again. Retired ones are durable, as deleted ones of the ledger of activations are (DiscardedRecord).
//
// Pure; determinism: equal calls, equal answers. Each call costs a logarithm of what is known. Thread-safety: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/task/task_kind.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

// What a retention can be stated for.
enum class KeptKind { kCheckpoint, kExport, kTokens, kLosses };
inline constexpr KeptKind kKeptKinds[] = {KeptKind::kCheckpoint, KeptKind::kExport, KeptKind::kTokens,
                                          KeptKind::kLosses};
// "checkpoint", …
std::string_view KeptKindName(KeptKind kind);
// Of a kind's output; none where it is disposable.
std::optional<KeptKind> KeptKindOf(TaskKind kind, std::string_view role);

class KeptArtifacts {
 public:
  struct Entry {
    int64_t size_bytes = 0;
    int64_t results = 0;  // actions that have it
    bool retired = false;
  };

  // An action has it as a result. Known under another size only where a worker lied; the first counts.
  void AddResult(const ArtifactRef& artifact);
  // The action is not remembered any more. True where no other has it: it is forgotten.
  bool DropResult(const Digest& artifact, std::vector<Change>& changes);
  // Its bytes may go. Requires that somebody has it. No effect on one that is retired.
  void Retire(const Digest& artifact, std::vector<Change>& changes);
  // A worker has just made it, or found it whole.
  void Made(const Digest& artifact, std::vector<Change>& changes);

  // False where it was retired and not made again since.
  bool IsReadable(const Digest& artifact) const;
  bool Has(const Digest& artifact) const { return all_.contains(artifact); }
  // After the results were added. Requires that somebody has it.
  void Restore(const Digest& artifact) { all_.at(artifact).retired = true; }
  const std::map<Digest, Entry>& all() const { return all_; }

 private:
  std::map<Digest, Entry> all_;
};

}  // namespace lwq::coordinator
