// SPDX-License-Identifier: Apache-2.0
// Which activations the object store holds, which of them somebody still reads, and which are on their way out.
//
// An activation is an output that only other tasks read and that can be made again (garbage.h says which). By content:
// equal results of several tasks are one. It is
//   STORED      the result of a finished task; it can be read
//   DISCARDED   a worker deletes it, or is to; nobody is given it to read
//   DELETED     gone; known by name as long as it is a finished task's result
// and it is STORED again as soon as it has been made again.
//
// STORED ones that nobody reads any more are a cache for later runs while the sum of all STORED bytes is within the
// budget; beyond it, those that have been unneeded longest are discarded first. What somebody reads is never discarded.
// It is decided when a worker is there to delete it: a reader that comes before finds it still stored.
//
// DISCARDED and DELETED are durable (DiscardedRecord), the rest follows from the tasks. After a restart the order among
// unneeded ones is that of their digests. Each call costs a logarithm of what is known.
// Pure; determinism: equal calls, equal answers. Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/artifact/artifact.h"
#include "coordinator/scheduler/state/ids.h"
#include "coordinator/scheduler/state/records.h"

namespace lwq::coordinator {

enum class ActivationState { kStored, kDiscarded, kDeleted };

struct Activation {
  int64_t size_bytes = 0;
  ActivationState state = ActivationState::kStored;
  int64_t results = 0;                 // finished tasks that have it
  int64_t readers = 0;                 // what those results are still wanted for
  int64_t unneeded_since = 0;          // STORED without readers: its place in the order, from 1; else 0
  WorkerId deleter;                    // DISCARDED: who deletes it; "" = nobody yet
  std::optional<std::string> project;  // for which it was made first, where that is known
  bool charged = false;                // to its project: STORED, with readers
};

class ActivationLedger {
 public:
  // What a worker has in hand to delete at any time.
  static constexpr size_t kMaxOffered = 16;

  // A finished task has it as a result that `readers` read.
  void AddResult(const ArtifactRef& artifact, int64_t readers);
  // What becomes of an artifact that is nobody's result any more and still stored.
  enum class Orphan {
    kForget,   // it was lost, or is made again
    kDiscard,  // it is to be deleted: who had it is deleted
  };
  // The task has no result any more.
  void DropResult(const Digest& artifact, int64_t readers, std::vector<Change>& changes,
                  Orphan orphan = Orphan::kForget);
  // It is nobody's result, a task's checkpoint that is of no use any more: it is to be deleted. No effect on what is
  // known.
  void DiscardStray(const ArtifactRef& artifact, std::vector<Change>& changes);
  // Readers of a result came or went. Requires the result to have been added.
  void AddReaders(const Digest& artifact, int64_t delta);
  // It was made for the project, unless it had been made for one before. No effect on what is not known.
  void ChargeTo(const Digest& artifact, const std::string& project);
  // A worker has just made it, or found it whole.
  void Made(const Digest& artifact, std::vector<Change>& changes);

  // False where it was discarded and not made again since.
  bool IsReadable(const Digest& artifact) const;

  // What the worker is to delete: what it was told before and has not answered, then what nobody deletes yet, then what
  // is beyond the budget; kMaxOffered at most.
  std::vector<ArtifactRef> Offer(const WorkerId& worker, int64_t budget_bytes, std::vector<Change>& changes);
  // The worker has deleted it. No effect unless it was that worker's to delete.
  void Deleted(const WorkerId& worker, const Digest& artifact, std::vector<Change>& changes);
  // Its bytes are gone, though nobody was to delete them: DELETED. No effect unless it is STORED.
  void Lost(const Digest& artifact, std::vector<Change>& changes);
  // The worker is gone: what it was to delete is another's.
  void Release(const WorkerId& worker);

  // Before the first AddResult.
  void Restore(const DiscardedRecord& record);

  int64_t stored_bytes() const { return stored_bytes_; }
  // Of these, what somebody reads.
  int64_t needed_bytes() const { return stored_bytes_ - unneeded_bytes_; }
  // What tasks that are being executed for the project are expected to make: so many bytes more, or less again.
  void Expect(const std::string& project, int64_t delta_bytes);
  int64_t expected_bytes() const { return all_expected_bytes_; }  // for all projects
  int64_t expected_bytes_of(const std::string& project) const {
    const auto bytes = expected_bytes_.find(project);
    return bytes == expected_bytes_.end() ? 0 : bytes->second;
  }
  // Of these, what was made for the project.
  int64_t needed_bytes_of(const std::string& project) const {
    const auto bytes = charged_bytes_.find(project);
    return bytes == charged_bytes_.end() ? 0 : bytes->second;
  }
  // Still in the object store, or not known to be gone.
  int64_t discarded_bytes() const { return discarded_bytes_; }
  // That workers have deleted since the ledger was made.
  int64_t deleted_bytes() const { return deleted_bytes_; }
  const std::map<Digest, Activation>& all() const { return all_; }

 private:
  void Reorder(const Digest& artifact, Activation& activation);
  void SetCharged(Activation& activation, bool charged);
  void SetUnneeded(const Digest& artifact, Activation& activation, bool unneeded);
  void Withdraw(const Digest& artifact, Activation& activation);
  // Requires a STORED one.
  void Discard(const Digest& artifact, Activation& activation, std::vector<Change>& changes);

  std::map<Digest, Activation> all_;
  std::set<std::pair<int64_t, Digest>> unneeded_;  // STORED without readers, longest first
  std::set<Digest> unoffered_;                     // DISCARDED that no worker deletes
  std::map<WorkerId, std::set<Digest>> offered_;
  std::map<std::string, int64_t> charged_bytes_;   // by project
  std::map<std::string, int64_t> expected_bytes_;  // by project
  int64_t all_expected_bytes_ = 0;
  int64_t next_place_ = 1;
  int64_t stored_bytes_ = 0;
  int64_t unneeded_bytes_ = 0;  // of unneeded_
  int64_t discarded_bytes_ = 0;
  int64_t deleted_bytes_ = 0;
};

}  // namespace lwq::coordinator
