// SPDX-License-Identifier: Apache-2.0
// Collection of garbage in an object store: everything that is reachable from the coordinator's roots is kept, and of
// the rest what is old enough is deleted. It runs beside workers and clients, and may be stopped and begun again at any
// time.
//
// What is looked at: blobs (common/artifact/artifact.h) and results/<action key>. Objects with other keys are never
// touched. Reachable are the manifests and parts of all artifacts that are roots, and the records of all results that
// are.
//
// Why nothing is lost that somebody needs. An object is deleted only if it is unreachable at two looks at the roots,
// and was last modified before
//   horizon = min(now − grace, begin of the oldest task that is being executed) − kRenewAfterMs − kClockSkewMs
// as seen in the listing and again right before it is deleted; now and begin are those of the first look.
//   1. A task that relies on an object it has not written itself (PutBlob, KeepAlive) renews it if it is older than
//      kRenewAfterMs. So everything a task relies on was modified less than that before the task began: if it was being
//      executed at the first look, or began later, that is after the horizon. If it had ended, its outputs are roots.
//   2. What a client uploads is renewed alike, and named by a run within `grace`, or uploaded again.
//   3. What a task reads is an input of a run or a result of a task, and a root as long as it may be read.
// Not promised: an object that is relied upon again in the instant between the last look at it and its deletion. Its
// reader finds it gone, and it is made or uploaded again, as with a disk that lost it.
//
// Thread-safety: one thread at a time per object; several collections may run at once. Errors: the store's and those of
// the roots, as soon as they happen: nothing is deleted on partial knowledge. A root whose manifest is gone or damaged
// has no parts that could be told; whoever reads it has it made again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/status/status.h"

namespace lwq {

// What the clocks of store and coordinator may differ by.
inline constexpr int64_t kClockSkewMs = int64_t{5} * 60 * 1000;

struct CollectionRoots {
  std::vector<ArtifactRef> artifacts;  // in any order; again is the same
  std::vector<Digest> results;         // action keys
  int64_t now_unix_ms = 0;
  // When the oldest task that is being executed was begun; now_unix_ms where none is, 0 where that is not known.
  int64_t working_since_unix_ms = 0;
};

struct CollectionOptions {
  int64_t grace_ms = int64_t{24} * 60 * 60 * 1000;
  bool dry_run = false;  // nothing is deleted
};

struct ObjectCount {
  int64_t objects = 0;
  int64_t bytes = 0;
};

struct CollectionReport {
  struct Kind {
    ObjectCount kept;
    ObjectCount young;    // unreachable, and not old enough
    ObjectCount garbage;  // to be deleted
  };
  // By the manifest's kind ("files", "block", …), "results" for their records, "parts" for bytes that no manifest
  // names.
  std::map<std::string, Kind> kinds;
  ObjectCount deleted;  // so far
  int64_t horizon_unix_ms = 0;
  bool work_unknown = false;  // of working_since_unix_ms 0: everything counts as young
};

class Collector {
 public:
  using AskRoots = std::function<StatusOr<CollectionRoots>()>;
  // done of total; total 0 where it is not known.
  using Progress = std::function<void(std::string_view doing, int64_t done, int64_t total)>;

  // `store` must outlive this; `progress` may be null.
  Collector(ObjectStore* store, AskRoots ask_roots, const CollectionOptions& options, Progress progress)
      : artifacts_(store), ask_roots_(std::move(ask_roots)), options_(options), progress_(std::move(progress)) {}

  // Once. `report` says what was found and done when it returns, also with an error.
  Status Run(CollectionReport& report);

 private:
  struct Object {
    std::string key;
    Digest digest;
    int64_t size_bytes = 0;
    bool is_manifest = false;
    std::string kind;
  };

  Status TakeRoots(const CollectionRoots& roots);
  Status ListBlobs(CollectionReport& report);
  Status ListResults(CollectionReport& report);
  // Which of the garbage are manifests, and of what kind the parts are that they name.
  Status TellKinds();
  Status DeleteGarbage(CollectionReport& report);
  Status DeleteIfStillOld(const Object& object, CollectionReport& report);
  bool IsReachable(const Object& object) const;
  void Say(std::string_view doing, int64_t done, int64_t total) const;

  ArtifactStore artifacts_;
  const AskRoots ask_roots_;
  const CollectionOptions options_;
  const Progress progress_;
  int64_t horizon_unix_ms_ = 0;
  std::unordered_map<Digest, std::string_view> reachable_;  // blobs, and the kind of manifest that names them
  std::unordered_set<std::string> kinds_;                   // the texts that are viewed
  std::unordered_set<Digest> results_;
  std::vector<Object> garbage_;  // unreachable and old
};

}  // namespace lwq
