// SPDX-License-Identifier: Apache-2.0
// Immutable artifacts named by content: a manifest that lists parts, each part a blob named by its SHA-256.
//
// In the object store:
//   blobs/<first two hex digits>/<digest>   the bytes of a part, or of a manifest
//   results/<action key>                    which artifacts an action made (task_result.h), one conditional put
// A manifest is canonical JSON {"kind","meta","parts":[{"name","digest","size_bytes"}]}; an artifact's name is the
// digest of its manifest, so equal content has an equal name whoever made it. Publication is atomic: parts first, the
// manifest last.
//
// Thread-safety: every method may be called from any thread. Bytes are verified against their digest on read:
// DATA_LOSS naming the blob when they differ; NOT_FOUND naming the blob when one is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes/bytes.h"
#include "common/digest/digest.h"
#include "common/json/json.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq {

// A BlobRef's size when only its digest is known (manifests).
inline constexpr int64_t kSizeUnknown = -1;

struct BlobRef {
  Digest digest;
  int64_t size_bytes = 0;
  friend bool operator==(const BlobRef&, const BlobRef&) = default;
};

// An object that is relied upon without being written is renewed where it is older. Rarely enough that workers do not
// have to verify what everybody reads again and again (docs/adr/0018-verified-once.md).
inline constexpr int64_t kRenewAfterMs = int64_t{60} * 60 * 1000;

// What messages carry instead of bytes.
struct ArtifactRef {
  Digest digest;           // of the manifest
  int64_t size_bytes = 0;  // content: the sum of the parts
  friend auto operator<=>(const ArtifactRef&, const ArtifactRef&) = default;
};

struct Part {
  std::string name;
  BlobRef blob;
};

struct Manifest {
  std::string kind;            // "files", "tokens", "activations", "block", …
  Json meta = Json::object();  // small facts a reader needs before it reads parts
  std::vector<Part> parts;     // in an order that means something to the kind
};

std::string SerializeManifest(const Manifest& manifest);
// DATA_LOSS naming `what` unless the text is exactly what SerializeManifest gives for a manifest with unique part names
// and non-negative sizes whose sum is an int64.
StatusOr<Manifest> ParseManifest(std::string_view text, std::string_view what);

std::string BlobKey(const Digest& digest);

// The bytes of the parts in sum. INVALID_ARGUMENT for an empty or repeated part name, a negative size, or a sum beyond
// int64.
StatusOr<int64_t> ContentBytes(const Manifest& manifest);

// Where blobs are read from: the store itself, or a local cache in front of it (worker/io).
class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // The whole blob, verified. DATA_LOSS also when it has not the size the reference says.
  virtual StatusOr<Bytes> Fetch(const BlobRef& blob) = 0;
};

class ArtifactStore : public BlobSource {
 public:
  // The store must outlive this object. `now_unix_ms` says how late it is, to tell what is to be renewed; null: the
  // system's clock.
  explicit ArtifactStore(ObjectStore* store, std::function<int64_t()> now_unix_ms = nullptr);

  StatusOr<Bytes> Fetch(const BlobRef& blob) override;
  // The two halves of Fetch, for a cache that knows which bytes it has verified before: the bytes as the store gives
  // them, and DATA_LOSS unless they are the blob's.
  StatusOr<Bytes> FetchUnverified(const Digest& digest);
  Status Verify(const Digest& digest, const Bytes& bytes) const;
  // Uploads unless the store has it (by name and size); equal bytes may be written twice, harmlessly. What is there
  // already is kept alive: renewed where it is older than kRenewAfterMs, so that no collection that looks at ages
  // (collector.h) takes it from under the artifact that is being made.
  StatusOr<BlobRef> PutBlob(std::span<const std::byte> data);
  StatusOr<BlobRef> PutBlob(std::string_view text);
  StatusOr<bool> HasBlob(const BlobRef& blob);

  // All parts must have been put before. Requires unique part names.
  StatusOr<ArtifactRef> Publish(const Manifest& manifest);
  // True when the manifest and every one of its parts are present (sizes compared, bytes not read).
  StatusOr<bool> IsComplete(const ArtifactRef& artifact);
  // The same of an artifact that is to be relied upon from now on: what is present is kept alive, as PutBlob does.
  StatusOr<bool> KeepAlive(const ArtifactRef& artifact);
  // Reads the blob again and deletes it if its bytes are wrong, so that whoever remakes it can store it: what to do
  // after DATA_LOSS. True when it was deleted.
  StatusOr<bool> DropIfDamaged(const Digest& digest);

  // Takes the artifact out of the store: its parts, and the manifest last, so that a deletion that was cut short can be
  // repeated. OK where it is gone already. A part that another artifact names too goes with it: only for artifacts that
  // can be made again.
  Status Delete(const ArtifactRef& artifact);

  ObjectStore* store() const { return store_; }

 private:
  // Whether it is there; then it is kept alive.
  StatusOr<bool> KeepBlobAlive(const BlobRef& blob);
  ObjectStore* store_;
  std::function<int64_t()> now_unix_ms_;
};

// Reads a manifest through any blob source. DATA_LOSS when it is not one or its parts do not add up to size_bytes.
StatusOr<Manifest> LoadManifest(BlobSource& blobs, const ArtifactRef& artifact);

}  // namespace lwq
