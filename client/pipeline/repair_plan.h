// SPDX-License-Identifier: Apache-2.0
// What a verification found (common/artifact/verifier.h), as damage of things that people know, and what can be done
// about it. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/artifact/verifier.h"
#include "common/status/status.h"
#include "lwqat/v1/storage_service.pb.h"

namespace lwq::client {

// Everything that the coordinator says is stored, as a verification asks for it. DATA_LOSS where it answers what is no
// digest.
StatusOr<StoredClaims> ClaimsOf(const std::vector<lwqat::v1::StoredArtifact>& stored);

enum class Remedy {
  kMadeAgain,    // a task can be executed again
  kUploadAgain,  // a client uploaded it: only from its files
  kBeginAgain,   // a checkpoint in the middle of a task: the next attempt begins at the beginning
  kWriteAgain,   // a record: from what the coordinator remembers
};
// "made again", …
std::string_view RemedyText(Remedy remedy);

// A fault, once for each artifact that has the object.
struct Damage {
  lwqat::v1::StoredArtifact artifact;  // of a record: one of the action's outputs
  std::string part;                    // "" = the manifest, or a record
  Fault fault;
  Remedy remedy = Remedy::kMadeAgain;
};

struct RepairPlan {
  std::vector<Damage> damage;  // by run, what it is, and part
  // Objects that are there and are wrong: to be removed, unless they are whole by then.
  std::vector<Digest> remove_blobs;
  // The records to be written again, from what the coordinator tells of a run's task.
  struct Record {
    Digest action;
    std::string run_id;
    std::string task_key;
  };
  std::vector<Record> records;
  // To be reported to the coordinator: digests of results.
  std::vector<std::string> lost;
  // Artifacts of a client's, each once.
  std::vector<lwqat::v1::StoredArtifact> upload_again;
};

// `stored` may be newer than what was verified: what it does not name any more is left out.
RepairPlan PlanRepairs(const std::vector<lwqat::v1::StoredArtifact>& stored, const std::vector<Fault>& faults);

}  // namespace lwq::client
