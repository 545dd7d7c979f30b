// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/s3_store.h"

#include <algorithm>
#include <random>
#include <utility>

#include "common/digest/digest.h"
#include "common/http/percent.h"
#include "common/object_store/s3_read.h"
#include "common/object_store/s3_upload.h"
#include "common/object_store/store_checks.h"
#include "common/s3/checksum.h"
#include "common/s3/s3_answers.h"
#include "common/s3/s3_error.h"
#include "common/sync/mutex.h"

namespace lwq {
namespace {

constexpr int64_t kMaxListingBytes = 16 << 20;

std::span<const std::byte> BytesOfText(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Whether a key can begin so: what servers on file systems make of "a//" or "../" differs.
bool CanBeginKey(std::string_view prefix) {
  for (size_t begin = 0; begin < prefix.size();) {
    const size_t slash = prefix.find('/', begin);
    if (slash == std::string_view::npos) return true;
    const std::string_view segment = prefix.substr(begin, slash - begin);
    if (segment.empty() || segment == "." || segment == "..") return false;
    begin = slash + 1;
  }
  return true;
}

class S3Store : public ObjectStore {
 public:
  S3Store(const S3Location& location, const S3ClientOptions& options) : client_(location, options) {}

  Status Connect();

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return client_.location().Describe(); }
  bool IsLocal() const override { return false; }

 private:
  // NOT_FOUND and ALREADY_EXISTS in the words of all stores.
  Status InWords(const Status& status, std::string_view key) const;
  Status PutOnce(std::string_view key, std::span<const std::byte> data, bool if_absent, bool* was_ambiguous);
  Status PutIfAbsent(std::string_view key, std::span<const std::byte> data);
  Status PutEmulated(std::string_view key, std::span<const std::byte> data);
  // OK if the object that is there holds these bytes.
  Status Compare(std::string_view key, std::span<const std::byte> data, const Status& otherwise);
  Status CheckConditions();
  Status DeleteAnything(std::string_view key);
  StatusOr<ListPage> ListOnce(std::string_view prefix, std::string_view start_after, int limit);

  S3Client client_;
  Mutex mutex_;
  bool conditions_hold_ ABSL_GUARDED_BY(mutex_) = false;
};

Status S3Store::Connect() {
  return ListOnce("", "", 1).status();
}

Status S3Store::InWords(const Status& status, std::string_view key) const {
  if (absl::IsNotFound(status)) return ObjectNotFound(key, Describe());
  if (absl::IsAlreadyExists(status)) return ObjectExists(key, Describe());
  return status;
}

Status S3Store::PutOnce(std::string_view key, std::span<const std::byte> data, bool if_absent, bool* was_ambiguous) {
  const Digest digest = DigestOf(data);
  S3Request request{.what = absl::StrCat("put object '", key, "'"),
                    .method = "PUT",
                    .key = std::string(key),
                    .headers = {{"content-type", "application/octet-stream"},
                                {std::string(kSha256ChecksumHeader), Sha256Checksum(digest)}},
                    .body = data,
                    .body_digest = digest};
  if (if_absent) request.headers.emplace_back("if-none-match", "*");
  request.send_once = if_absent;
  return client_.Call(request, was_ambiguous).status();
}

Status S3Store::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  if (options.if_absent) return InWords(PutIfAbsent(key, data), key);
  const int64_t part_bytes = int64_t{client_.location().part_mib} << 20;
  if (static_cast<int64_t>(data.size()) < 2 * part_bytes) return InWords(PutOnce(key, data, false, nullptr), key);
  S3Multipart parts(&client_, std::string(key));
  LWQ_RETURN_IF_ERROR(parts.Send(data));
  return InWords(parts.Complete(), key);
}

Status S3Store::PutIfAbsent(std::string_view key, std::span<const std::byte> data) {
  if (static_cast<int64_t>(data.size()) > kMaxS3PutBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("object '", key, "': S3 puts at most ", kMaxS3PutBytes, " bytes under a condition"));
  }
  if (client_.location().emulate_conditions) return PutEmulated(key, data);
  LWQ_RETURN_IF_ERROR(CheckConditions());
  bool was_ambiguous = false;
  const Status status = PutOnce(key, data, true, &was_ambiguous);
  return was_ambiguous && absl::IsAlreadyExists(status) ? Compare(key, data, status) : status;
}

Status S3Store::PutEmulated(std::string_view key, std::span<const std::byte> data) {
  const Status taken = Head(key).status();
  if (taken.ok()) return ObjectExists(key, Describe());
  if (!absl::IsNotFound(taken)) return taken;
  LWQ_RETURN_IF_ERROR(PutOnce(key, data, false, nullptr));
  return Compare(key, data, ObjectExists(key, Describe()));
}

Status S3Store::Compare(std::string_view key, std::span<const std::byte> data, const Status& otherwise) {
  LWQ_ASSIGN_OR_RETURN(const ObjectInfo info, Head(key));
  if (info.size_bytes != static_cast<int64_t>(data.size())) return otherwise;
  LWQ_ASSIGN_OR_RETURN(const Bytes there, ReadS3Object(client_, key));
  return std::ranges::equal(there.span(), data) ? absl::OkStatus() : otherwise;
}

Status S3Store::CheckConditions() {
  const MutexLock lock(&mutex_);
  if (conditions_hold_) return absl::OkStatus();
  std::random_device random;
  // No key: lists pass over it.
  const std::string scratch = absl::StrCat("~conditions-", random(), "-", random());
  LWQ_RETURN_IF_ERROR(PutOnce(scratch, BytesOfText("lwq"), true, nullptr));
  const Status second = PutOnce(scratch, BytesOfText("lwq"), true, nullptr);
  (void)DeleteAnything(scratch);
  if (!second.ok() && !absl::IsAlreadyExists(second)) return second;
  conditions_hold_ = absl::IsAlreadyExists(second);
  if (conditions_hold_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Describe(),
                   ": the server replaces objects although `If-None-Match: *` forbids it; use another, or "
                   "add conditional_writes=emulated to the URI"));
}

StatusOr<std::unique_ptr<Upload>> S3Store::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  return MakeS3Upload(
      &client_, std::string(key), options.if_absent,
      [this, key = std::string(key), options](std::span<const std::byte> data) { return Put(key, data, options); });
}

StatusOr<Bytes> S3Store::Get(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  StatusOr<Bytes> bytes = ReadS3Object(client_, key);
  return bytes.ok() ? std::move(bytes) : InWords(bytes.status(), key);
}

StatusOr<Bytes> S3Store::GetRange(std::string_view key, int64_t offset, int64_t length) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const bool is_askable = offset >= 0 && length > 0 && length <= INT64_MAX - offset;
  if (is_askable && length <= kMaxS3PutBytes) {
    StatusOr<Bytes> bytes = ReadS3Range(client_, key, offset, length);
    if (!absl::IsOutOfRange(bytes.status())) return bytes.ok() ? std::move(bytes) : InWords(bytes.status(), key);
  }
  LWQ_ASSIGN_OR_RETURN(const ObjectInfo info, Head(key));
  LWQ_RETURN_IF_ERROR(ValidateRange(key, offset, length, info.size_bytes));
  if (length == 0) return Bytes();
  StatusOr<Bytes> bytes = ReadS3Range(client_, key, offset, length);
  return bytes.ok() ? std::move(bytes) : InWords(bytes.status(), key);
}

StatusOr<ObjectInfo> S3Store::Head(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const StatusOr<HttpResponse> response =
      client_.Call({.what = absl::StrCat("look at object '", key, "'"), .method = "HEAD", .key = std::string(key)});
  if (!response.ok()) return InWords(response.status(), key);
  const std::optional<int64_t> size_bytes = response->ContentLength();
  if (!size_bytes.has_value()) {
    return absl::UnavailableError(absl::StrCat(Describe(), ": the server does not say how long '", key, "' is"));
  }
  return ObjectInfo{std::string(key), *size_bytes, ParseHttpDate(response->Header("last-modified")).value_or(0) * 1000};
}

StatusOr<ListPage> S3Store::List(std::string_view prefix, std::string_view start_after, int limit) {
  LWQ_RETURN_IF_ERROR(ValidateListArguments(prefix, start_after, limit));
  if (!CanBeginKey(prefix)) return ListPage();
  return ListOnce(prefix, start_after, limit);
}

// Pages of nothing but what is no key are passed over.
StatusOr<ListPage> S3Store::ListOnce(std::string_view prefix, std::string_view start_after, int limit) {
  const std::string root = client_.location().prefix.empty() ? "" : absl::StrCat(client_.location().prefix, "/");
  const std::string full_prefix = absl::StrCat(root, prefix);
  std::string after = start_after.empty() ? "" : absl::StrCat(root, start_after);
  while (true) {
    S3Request request{.what = absl::StrCat("list objects '", prefix, "…'"),
                      .query = {{"list-type", "2"},
                                {"prefix", full_prefix},
                                {"max-keys", absl::StrCat(limit)},
                                {"encoding-type", "url"}},
                      .max_answer_bytes = kMaxListingBytes};
    if (!after.empty()) request.query["start-after"] = after;
    const StatusOr<ListedPage> listed = client_.retrier().Run([&]() -> StatusOr<ListedPage> {
      LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client_.CallOnce(request));
      return ParseListing(response.body);
    });
    if (!listed.ok()) return listed.status();
    ListPage page;
    page.truncated = listed->truncated;
    for (const ListedObject& object : listed->objects) {
      if (!object.key.starts_with(full_prefix) || object.key <= after) {
        return absl::FailedPreconditionError(absl::StrCat(
            Describe(), ": the server's listing is not in order, or not of what was asked for; use another server"));
      }
      after = object.key;
      const std::string key = object.key.substr(root.size());
      if (ValidateObjectKey(key).ok()) page.objects.push_back({key, object.size_bytes, object.modified_unix_s * 1000});
    }
    if (!page.objects.empty() || !page.truncated) return page;
    if (listed->objects.empty()) {
      return absl::UnavailableError(absl::StrCat(Describe(), ": the server's listing goes on and has nothing in it"));
    }
  }
}

Status S3Store::Renew(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const S3Location& location = client_.location();
  const std::string what = absl::StrCat("renew object '", key, "'");
  const S3Request request{.what = what,
                          .method = "PUT",
                          .key = std::string(key),
                          .headers = {{"content-type", "application/octet-stream"},
                                      {"x-amz-copy-source", absl::StrCat("/", location.bucket, "/",
                                                                         PercentEncodePath(location.FullKey(key)))},
                                      {"x-amz-metadata-directive", "REPLACE"}}};
  const Status status = client_.retrier().Run([&]() -> Status {
    LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client_.CallOnce(request));
    const S3Error error = ParseS3Error(response.body);
    return error.code.empty() ? absl::OkStatus() : StatusOfS3Error(response.status, error, what);
  });
  return InWords(status, key);
}

Status S3Store::Delete(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  return DeleteAnything(key);
}

Status S3Store::DeleteAnything(std::string_view key) {
  const Status status =
      client_.Call({.what = absl::StrCat("delete object '", key, "'"), .method = "DELETE", .key = std::string(key)})
          .status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace

StatusOr<std::unique_ptr<ObjectStore>> OpenS3Store(const S3Location& location, const S3ClientOptions& options) {
  auto store = std::make_unique<S3Store>(location, options);
  LWQ_RETURN_IF_ERROR(store->Connect());
  return store;
}

}  // namespace lwq
