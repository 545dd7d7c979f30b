// SPDX-License-Identifier: Apache-2.0
#include "client/source/s3_folder.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <random>

#include "common/digest/foreign_digest.h"
#include "common/download/blob_link.h"
#include "common/download/file_lock.h"
#include "common/download/partial_file.h"
#include "common/http/content_range.h"
#include "common/hub/hub_uri.h"
#include "common/object_store/uri_policy.h"
#include "common/s3/checksum.h"
#include "common/s3/s3_answers.h"
#include "common/s3/s3_client.h"
#include "common/text/hex.h"

namespace lwq::client {
namespace {

constexpr int64_t kMaxS3ListingBytes = int64_t{16} << 20;
constexpr size_t kMaxS3Objects = 100'000;
constexpr int64_t kMaxS3ObjectBytes = int64_t{1} << 40;

struct S3Object {
  std::string key;  // below the location's prefix
  int64_t size_bytes = 0;
  std::string etag;  // without its quotes
};

// An ETag of 32 hexadecimal digits is the content's MD5, but where the server encrypts with a key of somebody's own.
bool IsMd5(std::string_view etag, const HttpHead& head) {
  const std::string_view encryption = head.Header("x-amz-server-side-encryption");
  const bool is_plain = encryption.empty() || encryption == "AES256";
  return is_plain && head.Header("x-amz-server-side-encryption-customer-algorithm").empty() && etag.size() == 32 &&
         IsLowerHex(etag);
}

std::string_view WithoutQuotes(std::string_view etag) {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"' ? etag.substr(1, etag.size() - 2) : etag;
}

std::string Quoted(std::string_view etag) {
  return absl::StrCat("\"", etag, "\"");
}

// None where the environment's is empty.
std::optional<std::string> Variable(const SourceContext& context, std::string_view name) {
  std::string value = context.environment(std::string(name));
  return value.empty() ? std::nullopt : std::optional<std::string>(std::move(value));
}

StatusOr<std::unique_ptr<S3Client>> MakeS3Client(const S3Location& location, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const UriPolicy policy, UriPolicy::Of({}));
  S3ClientOptions options;
  options.retry = context.retry;
  options.retry.seed = std::random_device()();
  options.wait = [context](absl::Duration duration) { return context.Wait(duration); };
  options.keep_going = [context] { return context.KeepGoing(); };
  options.check_address = [policy](const sockaddr* address) { return policy.CheckSocketAddress(address); };
  options.environment = [context](std::string_view name) { return Variable(context, name); };
  return std::make_unique<S3Client>(location, options);
}

StatusOr<S3Location> ReadS3Location(const std::string& uri, const SourceContext& context) {
  return ParseS3Uri(uri, [&](std::string_view name) { return Variable(context, name); });
}

// What is below the prefix, in order. Keys that are no paths of files, such as "folders" of consoles, are left out.
StatusOr<std::vector<S3Object>> ListObjects(S3Client& client) {
  const std::string root = client.location().prefix.empty() ? "" : absl::StrCat(client.location().prefix, "/");
  std::vector<S3Object> objects;
  std::string after;
  while (true) {
    S3Request request{.what = "list objects",
                      .query = {{"list-type", "2"}, {"prefix", root}, {"max-keys", "1000"}, {"encoding-type", "url"}},
                      .max_answer_bytes = kMaxS3ListingBytes};
    if (!after.empty()) request.query["start-after"] = after;
    const StatusOr<ListedPage> page = client.retrier().Run([&]() -> StatusOr<ListedPage> {
      LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client.CallOnce(request));
      return ParseListing(response.body);
    });
    if (!page.ok()) return page.status();
    for (const ListedObject& object : page->objects) {
      if (!object.key.starts_with(root) || object.key <= after) {
        return absl::FailedPreconditionError(absl::StrCat(
            client.location().Describe(), ": the server's listing is not in order, or not of what was asked for"));
      }
      after = object.key;
      const std::string key = object.key.substr(root.size());
      if (CheckRepoPath(key).ok()) objects.push_back({key, object.size_bytes, std::string(WithoutQuotes(object.etag))});
    }
    if (objects.size() > kMaxS3Objects) {
      return absl::InvalidArgumentError(absl::StrCat(client.location().Describe(), " has more than ", kMaxS3Objects,
                                                     " objects below it; name the model's own prefix"));
    }
    if (!page->truncated || page->objects.empty()) return objects;
  }
}

class S3Folder : public RemoteFolder {
 public:
  S3Folder(std::unique_ptr<S3Client> client, std::string cache, const std::vector<S3Object>& objects,
           const SourceContext& context)
      : client_(std::move(client)), cache_(std::move(cache)), context_(context) {
    std::string state;
    for (const S3Object& object : objects) {
      objects_.emplace(object.key, object);
      files_.emplace(object.key, object.size_bytes);
      absl::StrAppend(&state, NameOf(object), "\n");
    }
    folder_ = absl::StrCat(cache_, "/snapshots/", DigestOf(state).hex());
  }

  const std::map<std::string, int64_t>& files() const override { return files_; }
  std::string folder() const override { return folder_; }
  Status Finish(bool) override { return absl::OkStatus(); }

  Status Fetch(const std::vector<std::string>& paths, const Progress& progress) override {
    std::vector<const S3Object*> missing;
    int64_t total_bytes = 0;
    for (const std::string& path : paths) {
      const auto found = objects_.find(path);
      if (found == objects_.end()) {
        return absl::NotFoundError(absl::StrCat(client_->location().Describe(), " has no ", path));
      }
      if (SizeOfFile(absl::StrCat(folder_, "/", path)) == found->second.size_bytes) continue;
      missing.push_back(&found->second);
      total_bytes += found->second.size_bytes;
    }
    for (const char* folder : {"/blobs", "/parts", "/locks"}) LWQ_RETURN_IF_ERROR(MakeDirectories(cache_ + folder));
    std::atomic<int64_t> done_bytes{0};
    const auto on_bytes = [&](int64_t bytes) {
      const int64_t done = done_bytes += bytes;
      if (progress) progress(std::min(done, total_bytes), total_bytes);
    };
    for (const S3Object* object : missing) LWQ_RETURN_IF_ERROR(FetchObject(*object, on_bytes));
    return absl::OkStatus();
  }

 private:
  // Of one version of an object.
  std::string NameOf(const S3Object& object) const {
    const std::string version =
        absl::StrCat(client_->location().FullKey(object.key), "\n", object.etag, "\n", object.size_bytes);
    return DigestOf(version).hex();
  }

  Status FetchObject(const S3Object& object, const std::function<void(int64_t)>& on_bytes) {
    const std::string name = NameOf(object);
    const std::string path = absl::StrCat(cache_, "/blobs/", name);
    const RetryWait wait = [this](absl::Duration duration) { return context_.Wait(duration); };
    LWQ_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(absl::StrCat(cache_, "/locks/", name), wait));
    if (SizeOfFile(path) == object.size_bytes) {
      on_bytes(object.size_bytes);
      return Link(object, name);
    }
    if (object.etag.empty() || object.size_bytes > kMaxS3ObjectBytes) {
      return absl::FailedPreconditionError(absl::StrCat(client_->location().Describe(), ": ", object.key,
                                                        " has no ETag, or more bytes than anything here has"));
    }
    const int64_t part_bytes = int64_t{client_->location().part_mib} << 20;
    LWQ_ASSIGN_OR_RETURN(const std::unique_ptr<PartialFile> partial,
                         PartialFile::Open(absl::StrCat(cache_, "/parts/", name), name, object.size_bytes, part_bytes));
    on_bytes(partial->stored_bytes());
    const Status filled = partial->Fill(
        [&](int64_t begin, int64_t end, const ByteSink& sink) { return ReadRange(object, begin, end, sink); },
        client_->retrier(), client_->location().parallel, on_bytes);
    if (absl::IsAlreadyExists(filled)) {
      partial->Remove();
      return absl::FailedPreconditionError(
          absl::StrCat(client_->location().Describe(), ": ", object.key, " was replaced while it was read; try again"));
    }
    LWQ_RETURN_IF_ERROR(filled);
    const Status content = CheckContent(object, *partial);
    if (absl::IsDataLoss(content)) partial->Remove();
    LWQ_RETURN_IF_ERROR(content);
    LWQ_RETURN_IF_ERROR(partial->RenameTo(path));
    return Link(object, name);
  }

  // One attempt.
  Status ReadRange(const S3Object& object, int64_t begin, int64_t end, const ByteSink& sink) {
    S3Request request{
        .what = absl::StrCat("read ", object.key),
        .key = object.key,
        .headers = {{"range", absl::StrCat("bytes=", begin, "-", end - 1)}, {"if-match", Quoted(object.etag)}}};
    request.sink = [&](const HttpHead& head, std::span<const std::byte> piece) -> Status {
      const auto range = ParseContentRange(head.Header("content-range"));
      const std::string_view etag = WithoutQuotes(head.Header("etag"));
      if (head.status != 206 || !range || range->begin != begin || range->end != end - 1 ||
          range->total != object.size_bytes || (!etag.empty() && etag != object.etag)) {
        return absl::UnavailableError(
            absl::StrCat("reading ", object.key, ": the server's answer is not the range that was asked for"));
      }
      return sink(piece);
    };
    return client_->CallOnce(request).status();
  }

  Status CheckContent(const S3Object& object, const PartialFile& partial) {
    LWQ_ASSIGN_OR_RETURN(
        const HttpResponse head,
        client_->Call({.what = absl::StrCat("look at ", object.key),
                       .method = "HEAD",
                       .key = object.key,
                       .headers = {{"x-amz-checksum-mode", "ENABLED"}, {"if-match", Quoted(object.etag)}}}));
    const std::optional<Digest> checksum = ParseSha256Checksum(head.Header(kSha256ChecksumHeader));
    const bool is_md5 = IsMd5(object.etag, head);
    if (!checksum.has_value() && !is_md5) return absl::OkStatus();
    ForeignHasher hasher(checksum.has_value() ? ForeignDigest::kSha256 : ForeignDigest::kMd5, object.size_bytes);
    LWQ_RETURN_IF_ERROR(partial.Read([&](std::span<const std::byte> piece) -> Status {
      hasher.Update(piece);
      return context_.KeepGoing();
    }));
    const std::string expected = checksum.has_value() ? checksum->hex() : object.etag;
    if (hasher.FinishHex() == expected) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(client_->location().Describe(), ": what came of ", object.key,
                     " has another checksum than the server keeps; nothing of it was kept: try again"));
  }

  Status Link(const S3Object& object, const std::string& name) const {
    const std::string path = absl::StrCat(folder_, "/", object.key);
    LWQ_RETURN_IF_ERROR(MakeDirectories(ParentDirectory(path)));
    const std::string target = BlobSeenFrom(object.key, name);
    ::unlink(path.c_str());
    if (::symlink(target.c_str(), path.c_str()) == 0 || errno == EEXIST) return absl::OkStatus();
    return ErrnoStatus(errno, "link", path);
  }

  const std::unique_ptr<S3Client> client_;
  const std::string cache_;
  const SourceContext context_;
  std::map<std::string, S3Object> objects_;
  std::map<std::string, int64_t> files_;
  std::string folder_;
};

StatusOr<std::unique_ptr<RemoteFolder>> FolderOf(std::unique_ptr<S3Client> client, const std::vector<S3Object>& objects,
                                                 const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const std::string root, context.CacheFolder());
  const S3Location& location = client->location();
  const std::string bucket = DigestOf(absl::StrCat(location.endpoint, "\n", location.bucket)).short_hex();
  const std::string cache = absl::StrCat(root, "/s3/", location.bucket, "-", bucket);
  return std::make_unique<S3Folder>(std::move(client), cache, objects, context);
}

}  // namespace

StatusOr<std::unique_ptr<RemoteFolder>> OpenS3Folder(const std::string& uri, const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(const S3Location location, ReadS3Location(uri, context));
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<S3Client> client, MakeS3Client(location, context));
  LWQ_ASSIGN_OR_RETURN(const std::vector<S3Object> objects, ListObjects(*client));
  if (objects.empty()) {
    return absl::NotFoundError(absl::StrCat("there is nothing below ", location.Describe(), "/"));
  }
  return FolderOf(std::move(client), objects, context);
}

StatusOr<std::pair<std::unique_ptr<RemoteFolder>, std::string>> OpenS3Object(const std::string& uri,
                                                                             const SourceContext& context) {
  LWQ_ASSIGN_OR_RETURN(S3Location location, ReadS3Location(uri, context));
  const size_t slash = location.prefix.rfind('/');
  const std::string key = slash == std::string::npos ? location.prefix : location.prefix.substr(slash + 1);
  if (!CheckRepoPath(key).ok()) {
    return absl::InvalidArgumentError(absl::StrCat(location.Describe(), " names no object; write s3://BUCKET/KEY"));
  }
  location.prefix.resize(slash == std::string::npos ? 0 : slash);
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<S3Client> client, MakeS3Client(location, context));
  const StatusOr<HttpResponse> head =
      client->Call({.what = absl::StrCat("look at ", key), .method = "HEAD", .key = key});
  if (absl::IsNotFound(head.status())) {
    return absl::NotFoundError(absl::StrCat("there is no object ", location.Describe(), "/", key));
  }
  if (!head.ok()) return head.status();
  const S3Object object = {key, head->ContentLength().value_or(-1), std::string(WithoutQuotes(head->Header("etag")))};
  if (object.size_bytes < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(location.Describe(), ": the server does not say how long ", key, " is"));
  }
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<RemoteFolder> folder, FolderOf(std::move(client), {object}, context));
  return std::make_pair(std::move(folder), key);
}

}  // namespace lwq::client
