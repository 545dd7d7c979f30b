// SPDX-License-Identifier: Apache-2.0
#include "coordinator/scheduler/state/activation_ledger.h"

namespace lwq::coordinator {

void ActivationLedger::AddResult(const ArtifactRef& artifact, int64_t readers) {
  const auto [it, is_new] = all_.try_emplace(artifact.digest);
  Activation& activation = it->second;
  if (is_new) {
    activation.size_bytes = artifact.size_bytes;
    stored_bytes_ += artifact.size_bytes;
  }
  ++activation.results;
  activation.readers += readers;
  Reorder(artifact.digest, activation);
}

void ActivationLedger::DropResult(const Digest& artifact, int64_t readers, std::vector<Change>& changes,
                                  Orphan orphan) {
  const auto it = all_.find(artifact);
  LWQ_CHECK(it != all_.end(), "activation ", artifact.short_hex(), " is nobody's result");
  Activation& activation = it->second;
  --activation.results;
  activation.readers -= readers;
  if (activation.results > 0) {
    Reorder(artifact, activation);
    return;
  }
  switch (activation.state) {
    case ActivationState::kStored:
      if (orphan == Orphan::kDiscard) return Discard(artifact, activation, changes);
      stored_bytes_ -= activation.size_bytes;
      SetUnneeded(artifact, activation, false);
      SetCharged(activation, false);
      break;
    case ActivationState::kDiscarded:
      return;  // until it is known to be gone
    case ActivationState::kDeleted:
      changes.push_back(DropDiscarded{artifact});
      break;
  }
  all_.erase(it);
}

void ActivationLedger::DiscardStray(const ArtifactRef& artifact, std::vector<Change>& changes) {
  const auto [it, is_new] = all_.try_emplace(artifact.digest);
  if (!is_new) return;
  it->second.size_bytes = artifact.size_bytes;
  it->second.state = ActivationState::kDiscarded;
  discarded_bytes_ += artifact.size_bytes;
  unoffered_.insert(artifact.digest);
  changes.push_back(PutDiscarded{{artifact, false}});
}

void ActivationLedger::AddReaders(const Digest& artifact, int64_t delta) {
  const auto it = all_.find(artifact);
  LWQ_CHECK(it != all_.end(), "activation ", artifact.short_hex(), " is nobody's result");
  it->second.readers += delta;
  Reorder(artifact, it->second);
}

void ActivationLedger::Made(const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  if (it == all_.end() || it->second.state == ActivationState::kStored) return;
  Activation& activation = it->second;
  Withdraw(artifact, activation);
  activation.state = ActivationState::kStored;
  stored_bytes_ += activation.size_bytes;
  changes.push_back(DropDiscarded{artifact});
  Reorder(artifact, activation);
}

bool ActivationLedger::IsReadable(const Digest& artifact) const {
  const auto it = all_.find(artifact);
  return it == all_.end() || it->second.state == ActivationState::kStored;
}

std::vector<ArtifactRef> ActivationLedger::Offer(const WorkerId& worker, int64_t budget_bytes,
                                                 std::vector<Change>& changes) {
  const auto known = offered_.find(worker);
  size_t count = known == offered_.end() ? 0 : known->second.size();
  for (; count < kMaxOffered; ++count) {
    if (unoffered_.empty()) {
      if (stored_bytes_ <= budget_bytes || unneeded_.empty()) break;
      const Digest oldest = unneeded_.begin()->second;
      Discard(oldest, all_.at(oldest), changes);
    }
    const Digest artifact = *unoffered_.begin();
    unoffered_.erase(unoffered_.begin());
    all_.at(artifact).deleter = worker;
    offered_[worker].insert(artifact);
  }
  std::vector<ArtifactRef> offers;
  if (count == 0) return offers;
  for (const Digest& artifact : offered_.at(worker)) offers.push_back({artifact, all_.at(artifact).size_bytes});
  return offers;
}

void ActivationLedger::Deleted(const WorkerId& worker, const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  if (it == all_.end() || it->second.state != ActivationState::kDiscarded || it->second.deleter != worker) return;
  Activation& activation = it->second;
  Withdraw(artifact, activation);
  deleted_bytes_ += activation.size_bytes;
  if (activation.results > 0) {
    activation.state = ActivationState::kDeleted;
    changes.push_back(PutDiscarded{{{artifact, activation.size_bytes}, true}});
  } else {
    all_.erase(it);
    changes.push_back(DropDiscarded{artifact});
  }
}

void ActivationLedger::Lost(const Digest& artifact, std::vector<Change>& changes) {
  const auto it = all_.find(artifact);
  if (it == all_.end() || it->second.state != ActivationState::kStored) return;
  Activation& activation = it->second;
  activation.state = ActivationState::kDeleted;
  Reorder(artifact, activation);
  stored_bytes_ -= activation.size_bytes;
  changes.push_back(PutDiscarded{{{artifact, activation.size_bytes}, true}});
}

void ActivationLedger::Release(const WorkerId& worker) {
  const auto offered = offered_.find(worker);
  if (offered == offered_.end()) return;
  for (const Digest& artifact : offered->second) {
    all_.at(artifact).deleter = WorkerId();
    unoffered_.insert(artifact);
  }
  offered_.erase(offered);
}

void ActivationLedger::Restore(const DiscardedRecord& record) {
  const ArtifactRef& artifact = record.artifact;
  Activation& activation = all_[artifact.digest];
  activation.size_bytes = artifact.size_bytes;
  activation.state = record.deleted ? ActivationState::kDeleted : ActivationState::kDiscarded;
  if (record.deleted) return;
  discarded_bytes_ += artifact.size_bytes;
  unoffered_.insert(artifact.digest);
}

// Enters it among the unneeded ones, or takes it out, as its readers say.
void ActivationLedger::Reorder(const Digest& artifact, Activation& activation) {
  const bool stored = activation.state == ActivationState::kStored;
  SetUnneeded(artifact, activation, stored && activation.readers == 0);
  SetCharged(activation, stored && activation.readers > 0);
}

void ActivationLedger::SetCharged(Activation& activation, bool charged) {
  if (charged == activation.charged) return;
  activation.charged = charged;
  const std::string project = activation.project.value_or("");
  int64_t& bytes = charged_bytes_[project];
  bytes += charged ? activation.size_bytes : -activation.size_bytes;
  if (bytes == 0) charged_bytes_.erase(project);
}

void ActivationLedger::Expect(const std::string& project, int64_t delta_bytes) {
  if (delta_bytes == 0) return;
  all_expected_bytes_ += delta_bytes;
  int64_t& bytes = expected_bytes_[project];
  bytes += delta_bytes;
  if (bytes == 0) expected_bytes_.erase(project);
}

void ActivationLedger::ChargeTo(const Digest& artifact, const std::string& project) {
  const auto it = all_.find(artifact);
  if (it == all_.end() || it->second.project.has_value()) return;
  const bool charged = it->second.charged;
  SetCharged(it->second, false);
  it->second.project = project;
  SetCharged(it->second, charged);
}

void ActivationLedger::SetUnneeded(const Digest& artifact, Activation& activation, bool unneeded) {
  if (unneeded == (activation.unneeded_since != 0)) return;
  if (unneeded) {
    activation.unneeded_since = next_place_++;
    unneeded_.emplace(activation.unneeded_since, artifact);
    unneeded_bytes_ += activation.size_bytes;
  } else {
    unneeded_.erase({activation.unneeded_since, artifact});
    unneeded_bytes_ -= activation.size_bytes;
    activation.unneeded_since = 0;
  }
}

// It is not to be deleted any more. Its state is the caller's to change.
void ActivationLedger::Withdraw(const Digest& artifact, Activation& activation) {
  if (activation.state != ActivationState::kDiscarded) return;
  discarded_bytes_ -= activation.size_bytes;
  unoffered_.erase(artifact);
  const auto offered = offered_.find(activation.deleter);
  if (offered != offered_.end()) {
    offered->second.erase(artifact);
    if (offered->second.empty()) offered_.erase(offered);
  }
  activation.deleter = WorkerId();
}

void ActivationLedger::Discard(const Digest& artifact, Activation& activation, std::vector<Change>& changes) {
  activation.state = ActivationState::kDiscarded;
  Reorder(artifact, activation);
  stored_bytes_ -= activation.size_bytes;
  discarded_bytes_ += activation.size_bytes;
  unoffered_.insert(artifact);
  changes.push_back(PutDiscarded{{{artifact, activation.size_bytes}, false}});
}

}  // namespace lwq::coordinator
