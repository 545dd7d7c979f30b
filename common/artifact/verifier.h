// SPDX-License-Identifier: Apache-2.0
// Verification of an object store: everything that the coordinator says is stored is there, and is what its name says.
//
// What is looked at: of each artifact the manifest and every part, each blob once however many artifacts share it; of
// each result the record results/<action key>. Present and of the right size: by a listing of the store. Bytes: read
// and hashed, a few at once, in the order of digests, so that a verification that was stopped can be gone on with.
// Blobs that no artifact names are counted and never touched (collector.h deletes them).
//
// It runs beside workers, clients and collections. What looks wrong is looked at twice: who is asked for the artifacts
// is asked again at the end, and of what is still named each fault is looked at again in the store. So what was
// deleted, or made again, meanwhile is no fault. Nothing is changed.
//
// Thread-safety: one thread at a time per object. Errors: the store's and those of who is asked, but for NOT_FOUND and
// DATA_LOSS of an object, which are what is looked for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/artifact/artifact.h"
#include "common/artifact/collector.h"
#include "common/status/status.h"

namespace lwq {

// What should be stored.
struct StoredClaims {
  std::vector<ArtifactRef> artifacts;                                 // in any order; again is the same
  std::map<Digest, std::map<std::string, ArtifactRef>> results = {};  // by action: outputs that its record must name
};

enum class FaultKind {
  kGone,     // the object is not there
  kSize,     // it has another size
  kBytes,    // its bytes have another digest
  kInvalid,  // the bytes are those of the name, and no manifest whose parts add up to what the artifact has
  kDiffers,  // of a record: it names other outputs
};
// "gone", "wrong size", …
std::string_view FaultKindName(FaultKind kind);

// An object that is not what it should be.
struct Fault {
  FaultKind kind = FaultKind::kGone;
  Digest object;                          // a blob; of a record, the action key
  bool is_record = false;                 // results/<action key>
  int64_t expected_bytes = kSizeUnknown;  // of a part
  int64_t found_bytes = kSizeUnknown;     // kSize
  // Whose it is: artifact and the name of its part there, "" for the manifest. Empty for a record.
  std::vector<std::pair<Digest, std::string>> of = {};
};

struct VerificationOptions {
  bool quick = false;  // presence and sizes; manifests are read, since they say what the parts are
  int threads = 4;     // objects that are read at once
  Digest from = {};    // blobs before it were verified earlier
};

struct VerificationReport {
  int64_t artifacts = 0;
  int64_t records = 0;
  ObjectCount blobs;          // that artifacts name: manifests and parts
  ObjectCount verified;       // of these, read and hashed
  ObjectCount unneeded;       // in the store, named by no artifact whose manifest could be read
  std::vector<Fault> faults;  // by object; records last
  // Set where it was stopped while blobs were hashed: those before it are verified.
  std::optional<Digest> stopped_at;
};

class Verifier {
 public:
  using AskClaims = std::function<StatusOr<StoredClaims>()>;
  struct Step {
    std::string_view doing;
    int64_t done = 0;
    int64_t total = 0;  // 0: not known
    int64_t done_bytes = 0;
    int64_t total_bytes = 0;  // 0: this step reads no blobs
  };
  // Called from any of its threads, one at a time.
  using Progress = std::function<void(const Step& step)>;

  // `store` must outlive this; `progress` may be null.
  Verifier(ObjectStore* store, AskClaims ask_claims, const VerificationOptions& options, Progress progress)
      : artifacts_(store), ask_claims_(std::move(ask_claims)), options_(options), progress_(std::move(progress)) {}

  // Once. `report` says what was found when it returns, also with an error; then nothing was looked at twice.
  Status Run(VerificationReport& report);

 private:
  struct Blob {
    int64_t size_bytes = kSizeUnknown;  // as its first manifest says; unknown of a manifest
    std::vector<std::pair<Digest, std::string>> of;
  };

  Status ReadManifests(const StoredClaims& claims);
  Status CompareListing(VerificationReport& report);
  Status HashBlobs(VerificationReport& report);
  Status CheckRecords(const StoredClaims& claims);
  // Takes out what is no fault at a second look.
  Status LookAgain(VerificationReport& report);
  StatusOr<bool> IsStillThere(const Fault& fault, const StoredClaims& claims);
  StatusOr<std::optional<FaultKind>> FaultOfBytes(const Digest& digest, int64_t size_bytes);
  StatusOr<std::optional<FaultKind>> FaultOfRecord(const Digest& action,
                                                   const std::map<std::string, ArtifactRef>& outputs);
  void AddFault(const Digest& blob, FaultKind kind, int64_t found_bytes = kSizeUnknown);
  std::vector<Fault> Faults() const;

  ArtifactStore artifacts_;
  const AskClaims ask_claims_;
  const VerificationOptions options_;
  const Progress progress_;
  std::map<Digest, Blob> blobs_;
  std::map<Digest, Fault> blob_faults_;
  std::map<Digest, Fault> record_faults_;
};

}  // namespace lwq
