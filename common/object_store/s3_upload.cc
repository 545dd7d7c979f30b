// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/s3_upload.h"

#include <algorithm>
#include <utility>

#include "common/s3/s3_answers.h"
#include "common/s3/s3_error.h"
#include "common/sync/parallel.h"

namespace lwq {
namespace {

class S3Upload : public Upload {
 public:
  S3Upload(S3Client* client, std::string key, bool only_whole, PutWhole put_whole)
      : key_(key),
        only_whole_(only_whole),
        put_whole_(std::move(put_whole)),
        batch_bytes_(static_cast<size_t>(client->location().part_mib) * (size_t{1} << 20) *
                     static_cast<size_t>(client->location().parallel)),
        multipart_(client, std::move(key)) {}

  Status Write(std::span<const std::byte> data) override {
    if (over_) return Over();
    if (only_whole_ && static_cast<int64_t>(pending_.size() + data.size()) > kMaxS3PutBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("upload of '", key_, "': S3 puts at most ", kMaxS3PutBytes, " bytes under a condition"));
    }
    const size_t before = pending_.size();
    pending_.append(reinterpret_cast<const char*>(data.data()), data.size());
    if (only_whole_ || pending_.size() < batch_bytes_) return absl::OkStatus();
    const size_t whole = pending_.size() - pending_.size() % static_cast<size_t>(multipart_.part_bytes());
    const Status sent = multipart_.Send(std::as_bytes(std::span(pending_.data(), whole)));
    if (!sent.ok()) {
      pending_.resize(before);
      return sent;
    }
    has_parts_ = true;
    pending_.erase(0, whole);
    return absl::OkStatus();
  }

  Status Commit() override {
    if (over_) return Over();
    const Status status = Finish();
    over_ = !IsRetried(status.code());
    return status;
  }

 private:
  Status Over() const {
    return absl::FailedPreconditionError(absl::StrCat("upload of '", key_, "' is already committed"));
  }

  Status Finish() {
    const auto rest = std::as_bytes(std::span(pending_.data(), pending_.size()));
    if (!has_parts_) return put_whole_(rest);
    if (!rest.empty()) LWQ_RETURN_IF_ERROR(multipart_.Send(rest));
    pending_.clear();
    return multipart_.Complete();
  }

  const std::string key_;
  const bool only_whole_;
  const PutWhole put_whole_;
  const size_t batch_bytes_;
  S3Multipart multipart_;
  std::string pending_;
  bool has_parts_ = false;
  bool over_ = false;
};

}  // namespace

S3Multipart::S3Multipart(S3Client* client, std::string key)
    : client_(client), key_(std::move(key)), part_bytes_(int64_t{client->location().part_mib} << 20) {}

S3Multipart::~S3Multipart() {
  if (upload_id_.empty()) return;
  // What cannot be aborted stays invisible; buckets have rules that sweep such uploads.
  (void)client_->Call({.what = absl::StrCat("abort the upload of '", key_, "'"),
                       .method = "DELETE",
                       .key = key_,
                       .query = {{"uploadId", upload_id_}}});
}

Status S3Multipart::Start() {
  if (!upload_id_.empty()) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const HttpResponse response,
                       client_->Call({.what = absl::StrCat("begin the upload of '", key_, "'"),
                                      .method = "POST",
                                      .key = key_,
                                      .query = {{"uploads", ""}},
                                      .headers = {{"content-type", "application/octet-stream"}}}));
  LWQ_ASSIGN_OR_RETURN(upload_id_, ParseUploadId(response.body));
  return absl::OkStatus();
}

StatusOr<std::string> S3Multipart::SendPart(int64_t number, std::span<const std::byte> part) {
  LWQ_ASSIGN_OR_RETURN(const HttpResponse response,
                       client_->Call({.what = absl::StrCat("send part ", number, " of '", key_, "'"),
                                      .method = "PUT",
                                      .key = key_,
                                      .query = {{"partNumber", absl::StrCat(number)}, {"uploadId", upload_id_}},
                                      .body = part,
                                      .body_digest = DigestOf(part)}));
  const std::string_view etag = response.Header("etag");
  if (etag.empty() || etag.size() > 1024) {
    return absl::UnavailableError(absl::StrCat("part ", number, " of '", key_, "' was answered without an ETag"));
  }
  return std::string(etag);
}

Status S3Multipart::Send(std::span<const std::byte> data) {
  LWQ_RETURN_IF_ERROR(Start());
  const auto size_bytes = static_cast<int64_t>(data.size());
  const int64_t parts = (size_bytes + part_bytes_ - 1) / part_bytes_;
  const auto sent = static_cast<int64_t>(etags_.size());
  if (sent + parts > kMaxS3Parts) {
    return absl::ResourceExhaustedError(absl::StrCat("object '", key_, "' has more than ", kMaxS3Parts, " parts of ",
                                                     part_bytes_ >> 20, " MiB; give the store a larger part_mib"));
  }
  std::vector<std::string> etags(static_cast<size_t>(parts));
  LWQ_RETURN_IF_ERROR(ParallelFor(parts, client_->location().parallel, [&](int64_t i) -> Status {
    const int64_t begin = i * part_bytes_;
    const auto part =
        data.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(part_bytes_, size_bytes - begin)));
    LWQ_ASSIGN_OR_RETURN(etags[static_cast<size_t>(i)], SendPart(sent + i + 1, part));
    return absl::OkStatus();
  }));
  etags_.insert(etags_.end(), etags.begin(), etags.end());
  sent_bytes_ += size_bytes;
  return absl::OkStatus();
}

Status S3Multipart::Complete() {
  const std::string body = CompleteBody(etags_);
  const std::string what = absl::StrCat("complete the upload of '", key_, "'");
  const S3Request request{.what = what,
                          .method = "POST",
                          .key = key_,
                          .query = {{"uploadId", upload_id_}},
                          .body = std::as_bytes(std::span(body.data(), body.size())),
                          .send_once = true};
  bool was_ambiguous = false;
  const auto complete = [&]() -> Status {
    LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client_->CallOnce(request));
    const S3Error error = ParseS3Error(response.body);
    return error.code.empty() ? absl::OkStatus() : StatusOfS3Error(response.status, error, what);
  };
  Status status = client_->retrier().Run(complete, &was_ambiguous);
  if (was_ambiguous && (absl::IsNotFound(status) || absl::IsAlreadyExists(status))) status = CompareSize(status);
  if (status.ok()) upload_id_.clear();
  return status;
}

Status S3Multipart::CompareSize(const Status& otherwise) {
  LWQ_ASSIGN_OR_RETURN(
      const HttpResponse head,
      client_->Call({.what = absl::StrCat("look at object '", key_, "'"), .method = "HEAD", .key = key_}));
  return head.ContentLength() == sent_bytes_ ? absl::OkStatus() : otherwise;
}

std::unique_ptr<Upload> MakeS3Upload(S3Client* client, std::string key, bool only_whole, PutWhole put_whole) {
  return std::make_unique<S3Upload>(client, std::move(key), only_whole, std::move(put_whole));
}

}  // namespace lwq
