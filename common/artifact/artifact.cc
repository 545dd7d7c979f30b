// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/artifact.h"

#include <chrono>
#include <limits>
#include <set>
#include <utility>

namespace lwq {
namespace {

constexpr size_t kMaxManifestBytes = 256 << 20;

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Status DamagedManifest(std::string_view what, std::string_view reason) {
  return absl::DataLossError(absl::StrCat(what, " is not a valid manifest: ", reason));
}

StatusOr<Part> ParsePart(const Json& json) {
  Part part;
  LWQ_ASSIGN_OR_RETURN(part.name, JsonString(json, "name", "part"));
  LWQ_ASSIGN_OR_RETURN(const std::string hex, JsonString(json, "digest", "part"));
  LWQ_ASSIGN_OR_RETURN(part.blob.digest, Digest::FromHex(hex));
  LWQ_ASSIGN_OR_RETURN(part.blob.size_bytes, JsonInt(json, "size_bytes", "part"));
  return part;
}

StatusOr<Manifest> ParseFields(const Json& json) {
  Manifest manifest;
  LWQ_ASSIGN_OR_RETURN(manifest.kind, JsonString(json, "kind", "manifest"));
  const auto meta = json.find("meta");
  if (meta == json.end() || !meta->is_object()) return absl::InvalidArgumentError("'meta' is not an object");
  manifest.meta = *meta;
  const auto parts = json.find("parts");
  if (parts == json.end() || !parts->is_array()) return absl::InvalidArgumentError("'parts' is not an array");
  manifest.parts.reserve(parts->size());
  for (const Json& part : *parts) {
    LWQ_ASSIGN_OR_RETURN(Part parsed, ParsePart(part));
    manifest.parts.push_back(std::move(parsed));
  }
  LWQ_RETURN_IF_ERROR(ContentBytes(manifest));
  return manifest;
}

int64_t SystemUnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string BlobName(const Digest& digest) {
  return absl::StrCat("blob ", digest.hex());
}

}  // namespace

std::string SerializeManifest(const Manifest& manifest) {
  Json parts = Json::array();
  for (const Part& part : manifest.parts) {
    parts.push_back({{"name", part.name}, {"digest", part.blob.digest.hex()}, {"size_bytes", part.blob.size_bytes}});
  }
  return CanonicalJson({{"kind", manifest.kind}, {"meta", manifest.meta}, {"parts", std::move(parts)}});
}

StatusOr<Manifest> ParseManifest(std::string_view text, std::string_view what) {
  if (text.size() > kMaxManifestBytes) return DamagedManifest(what, absl::StrCat("it has ", text.size(), " bytes"));
  const StatusOr<Json> json = ParseJson(text, "text");
  if (!json.ok()) return DamagedManifest(what, MessageOf(json.status()));
  StatusOr<Manifest> manifest = ParseFields(*json);
  if (!manifest.ok()) return DamagedManifest(what, MessageOf(manifest.status()));
  // One content, one text, one name. This also refuses repeated and unknown keys.
  if (SerializeManifest(*manifest) != text) return DamagedManifest(what, "it is not in canonical form");
  return manifest;
}

StatusOr<int64_t> ContentBytes(const Manifest& manifest) {
  std::set<std::string_view> names;
  int64_t total_bytes = 0;
  for (const Part& part : manifest.parts) {
    if (part.name.empty()) return absl::InvalidArgumentError("a part has no name");
    if (!names.insert(part.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("two parts are named '", part.name.substr(0, 200), "'"));
    }
    const int64_t size_bytes = part.blob.size_bytes;
    if (size_bytes < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("part '", part.name.substr(0, 200), "' has ", size_bytes, " bytes"));
    }
    if (size_bytes > std::numeric_limits<int64_t>::max() - total_bytes) {
      return absl::InvalidArgumentError("the sizes of the parts overflow");
    }
    total_bytes += size_bytes;
  }
  return total_bytes;
}

std::string BlobKey(const Digest& digest) {
  const std::string hex = digest.hex();
  return absl::StrCat("blobs/", hex.substr(0, 2), "/", hex);
}

ArtifactStore::ArtifactStore(ObjectStore* store, std::function<int64_t()> now_unix_ms)
    : store_(store), now_unix_ms_(now_unix_ms ? std::move(now_unix_ms) : SystemUnixMs) {}

StatusOr<Bytes> ArtifactStore::FetchUnverified(const Digest& digest) {
  StatusOr<Bytes> bytes = store_->Get(BlobKey(digest));
  if (!bytes.ok()) return Annotate(bytes.status(), BlobName(digest));
  return bytes;
}

Status ArtifactStore::Verify(const Digest& digest, const Bytes& bytes) const {
  if (DigestOf(bytes.span()) == digest) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(BlobName(digest), " in ", store_->Describe(), " is damaged: its bytes have another digest"));
}

StatusOr<Bytes> ArtifactStore::Fetch(const BlobRef& blob) {
  LWQ_ASSIGN_OR_RETURN(Bytes bytes, FetchUnverified(blob.digest));
  if (blob.size_bytes != kSizeUnknown && static_cast<int64_t>(bytes.size()) != blob.size_bytes) {
    return absl::DataLossError(absl::StrCat(BlobName(blob.digest), " in ", store_->Describe(), " has ", bytes.size(),
                                            " bytes instead of ", blob.size_bytes));
  }
  LWQ_RETURN_IF_ERROR(Verify(blob.digest, bytes));
  return bytes;
}

StatusOr<BlobRef> ArtifactStore::PutBlob(std::span<const std::byte> data) {
  const BlobRef blob{DigestOf(data), static_cast<int64_t>(data.size())};
  LWQ_ASSIGN_OR_RETURN(const bool is_there, KeepBlobAlive(blob));
  if (!is_there) {
    const Status put = store_->Put(BlobKey(blob.digest), data, {});
    if (!put.ok()) return Annotate(put, BlobName(blob.digest));
  }
  return blob;
}

StatusOr<BlobRef> ArtifactStore::PutBlob(std::string_view text) {
  return PutBlob(AsBytes(text));
}

StatusOr<bool> ArtifactStore::HasBlob(const BlobRef& blob) {
  const StatusOr<ObjectInfo> info = store_->Head(BlobKey(blob.digest));
  if (absl::IsNotFound(info.status())) return false;
  if (!info.ok()) return Annotate(info.status(), BlobName(blob.digest));
  return blob.size_bytes == kSizeUnknown || info->size_bytes == blob.size_bytes;
}

StatusOr<bool> ArtifactStore::KeepBlobAlive(const BlobRef& blob) {
  const std::string key = BlobKey(blob.digest);
  const StatusOr<ObjectInfo> info = store_->Head(key);
  if (absl::IsNotFound(info.status())) return false;
  if (!info.ok()) return Annotate(info.status(), BlobName(blob.digest));
  if (blob.size_bytes != kSizeUnknown && info->size_bytes != blob.size_bytes) return false;
  if (now_unix_ms_() - info->modified_unix_ms < kRenewAfterMs) return true;
  const Status renewed = store_->Renew(key);
  if (absl::IsNotFound(renewed)) return false;  // it was deleted since
  if (!renewed.ok()) return Annotate(renewed, BlobName(blob.digest));
  return true;
}

StatusOr<ArtifactRef> ArtifactStore::Publish(const Manifest& manifest) {
  const StatusOr<int64_t> content_bytes = ContentBytes(manifest);
  if (!content_bytes.ok()) {
    return Annotate(content_bytes.status(), absl::StrCat("artifact of kind '", manifest.kind, "'"));
  }
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, PutBlob(SerializeManifest(manifest)));
  return ArtifactRef{blob.digest, *content_bytes};
}

StatusOr<bool> ArtifactStore::IsComplete(const ArtifactRef& artifact) {
  const StatusOr<Manifest> manifest = LoadManifest(*this, artifact);
  if (absl::IsNotFound(manifest.status())) return false;
  LWQ_RETURN_IF_ERROR(manifest);
  for (const Part& part : manifest->parts) {
    LWQ_ASSIGN_OR_RETURN(const bool is_there, HasBlob(part.blob));
    if (!is_there) return false;
  }
  return true;
}

StatusOr<bool> ArtifactStore::KeepAlive(const ArtifactRef& artifact) {
  const StatusOr<Manifest> manifest = LoadManifest(*this, artifact);
  if (absl::IsNotFound(manifest.status())) return false;
  LWQ_RETURN_IF_ERROR(manifest);
  LWQ_ASSIGN_OR_RETURN(const bool named, KeepBlobAlive({artifact.digest, kSizeUnknown}));
  if (!named) return false;
  for (const Part& part : manifest->parts) {
    LWQ_ASSIGN_OR_RETURN(const bool is_there, KeepBlobAlive(part.blob));
    if (!is_there) return false;
  }
  return true;
}

StatusOr<bool> ArtifactStore::DropIfDamaged(const Digest& digest) {
  const StatusOr<Bytes> bytes = Fetch({digest, kSizeUnknown});
  if (bytes.ok() || absl::IsNotFound(bytes.status())) return false;
  if (!absl::IsDataLoss(bytes.status())) return bytes.status();
  LWQ_RETURN_IF_ERROR(store_->Delete(BlobKey(digest)));
  return true;
}

Status ArtifactStore::Delete(const ArtifactRef& artifact) {
  const StatusOr<Manifest> manifest = LoadManifest(*this, artifact);
  if (absl::IsNotFound(manifest.status())) return absl::OkStatus();
  if (manifest.ok()) {
    for (const Part& part : manifest->parts) LWQ_RETURN_IF_ERROR(store_->Delete(BlobKey(part.blob.digest)));
  } else if (!absl::IsDataLoss(manifest.status())) {
    return manifest.status();
  }
  return store_->Delete(BlobKey(artifact.digest));  // a damaged manifest does not say which parts it had
}

StatusOr<Manifest> LoadManifest(BlobSource& blobs, const ArtifactRef& artifact) {
  const std::string what = absl::StrCat("artifact ", artifact.digest.hex());
  const StatusOr<Bytes> text = blobs.Fetch({artifact.digest, kSizeUnknown});
  if (!text.ok()) return Annotate(text.status(), what);
  LWQ_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(text->view(), what));
  LWQ_ASSIGN_OR_RETURN(const int64_t content_bytes, ContentBytes(manifest));
  if (content_bytes != artifact.size_bytes) {
    return absl::DataLossError(
        absl::StrCat(what, ": its parts hold ", content_bytes, " bytes, its reference says ", artifact.size_bytes));
  }
  return manifest;
}

}  // namespace lwq
