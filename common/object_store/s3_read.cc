// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/s3_read.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "common/digest/digest.h"
#include "common/http/content_range.h"
#include "common/object_store/store_checks.h"
#include "common/s3/checksum.h"
#include "common/s3/s3_answers.h"
#include "common/sync/parallel.h"

namespace lwq {
namespace {

// How often a large object may be replaced while its parts are being read.
constexpr int kVersionsMax = 4;

// Memory that is filled piece by piece; not cleared before.
class Buffer {
 public:
  // RESOURCE_EXHAUSTED where there is not so much memory.
  Status Allocate(int64_t size_bytes) {
    data_.reset(new (std::nothrow) std::byte[static_cast<size_t>(size_bytes)]);
    size_bytes_ = data_ == nullptr ? 0 : size_bytes;
    if (data_ != nullptr) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("no memory for an object of ", size_bytes, " bytes"));
  }
  bool is_allocated() const { return data_ != nullptr; }
  std::span<std::byte> span() { return {data_.get(), static_cast<size_t>(size_bytes_)}; }
  Bytes Take() && {
    const std::byte* data = data_.get();
    return Bytes(std::shared_ptr<const std::byte[]>(std::move(data_)), data, static_cast<size_t>(size_bytes_));
  }

 private:
  std::unique_ptr<std::byte[]> data_;
  int64_t size_bytes_ = 0;
};

Status Wrong(std::string_view key, std::string_view how) {
  return absl::UnavailableError(absl::StrCat("reading object '", key, "': the server's answer ", how));
}

std::string RangeHeader(int64_t begin, int64_t end_inclusive) {
  return absl::StrCat("bytes=", begin, "-", end_inclusive);
}

// Appends pieces of one answer to a place in memory, and never beyond its end.
class Filler {
 public:
  Filler(std::string_view key, std::span<std::byte> place) : key_(key), place_(place) {}
  Status Append(std::span<const std::byte> piece) {
    if (piece.size() > place_.size() - filled_) return Wrong(key_, "has more bytes than its head says");
    std::memcpy(place_.data() + filled_, piece.data(), piece.size());
    filled_ += piece.size();
    return absl::OkStatus();
  }
  Status CheckFull() const {
    return filled_ == place_.size() ? absl::OkStatus() : Wrong(key_, "has fewer bytes than its head says");
  }

 private:
  std::string_view key_;
  std::span<std::byte> place_;
  size_t filled_ = 0;
};

// The beginning of an object, and what it tells about the whole.
struct Beginning {
  Buffer buffer;  // of the whole object
  int64_t size_bytes = 0;
  int64_t read_bytes = 0;
  std::string etag;
  std::optional<Digest> checksum;
};

// One attempt. OUT_OF_RANGE for an empty object.
StatusOr<Beginning> ReadBeginning(S3Client& client, std::string_view key, int64_t length) {
  Beginning begin;
  std::optional<Filler> filler;
  const auto start = [&](const HttpHead& head) -> Status {
    const std::optional<ContentRange> range = ParseContentRange(head.Header("content-range"));
    if (head.status == 206) {
      if (!range || range->begin != 0 || range->end != std::min(length, range->total) - 1) {
        return Wrong(key, "is not the range that was asked for");
      }
      begin.size_bytes = range->total;
      begin.read_bytes = range->end + 1;
    } else {  // the whole object, from a server that does not care for ranges
      begin.size_bytes = head.ContentLength().value_or(-1);
      begin.read_bytes = begin.size_bytes;
      if (begin.size_bytes < 0) return Wrong(key, "does not say how long it is");
    }
    begin.etag = std::string(head.Header("etag"));
    begin.checksum = ParseSha256Checksum(head.Header(kSha256ChecksumHeader));
    LWQ_RETURN_IF_ERROR(begin.buffer.Allocate(begin.size_bytes));
    filler.emplace(key, begin.buffer.span().first(static_cast<size_t>(begin.read_bytes)));
    return absl::OkStatus();
  };
  S3Request request{.what = absl::StrCat("read object '", key, "'"),
                    .key = std::string(key),
                    .headers = {{"range", RangeHeader(0, length - 1)}, {"x-amz-checksum-mode", "ENABLED"}}};
  request.sink = [&](const HttpHead& head, std::span<const std::byte> piece) -> Status {
    if (!filler.has_value()) LWQ_RETURN_IF_ERROR(start(head));
    return filler->Append(piece);
  };
  LWQ_ASSIGN_OR_RETURN(const HttpResponse response, client.CallOnce(request));
  if (!filler.has_value()) LWQ_RETURN_IF_ERROR(start(response));  // no byte came
  LWQ_RETURN_IF_ERROR(filler->CheckFull());
  return begin;
}

// One attempt at [offset, offset + place.size()) of the version `etag` (any if empty).
Status ReadInto(S3Client& client, std::string_view key, int64_t offset, std::span<std::byte> place,
                const std::string& etag) {
  const auto length = static_cast<int64_t>(place.size());
  Filler filler(key, place);
  S3Request request{.what = absl::StrCat("read ", length, " bytes at ", offset, " of object '", key, "'"),
                    .key = std::string(key),
                    .headers = {{"range", RangeHeader(offset, offset + length - 1)}}};
  if (!etag.empty()) request.headers.emplace_back("if-match", etag);
  request.sink = [&](const HttpHead& head, std::span<const std::byte> piece) -> Status {
    const std::optional<ContentRange> range = ParseContentRange(head.Header("content-range"));
    if (head.status != 206 || !range || range->begin != offset)
      return Wrong(key, "is not the range that was asked for");
    if (range->end != offset + length - 1) return ValidateRange(key, offset, length, range->total);
    return filler.Append(piece);
  };
  LWQ_RETURN_IF_ERROR(client.CallOnce(request));
  return filler.CheckFull();
}

// The place's parts, several at once, each repeated as often as helps.
Status ReadParts(S3Client& client, std::string_view key, int64_t offset, std::span<std::byte> place,
                 const std::string& etag) {
  const int64_t part_bytes = int64_t{client.location().part_mib} << 20;
  const auto size_bytes = static_cast<int64_t>(place.size());
  return ParallelFor((size_bytes + part_bytes - 1) / part_bytes, client.location().parallel, [&](int64_t i) {
    const int64_t begin = i * part_bytes;
    const auto part =
        place.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(part_bytes, size_bytes - begin)));
    return client.retrier().Run([&] { return ReadInto(client, key, offset + begin, part, etag); });
  });
}

// Of an object that has no first byte.
StatusOr<Bytes> ReadEmpty(S3Client& client, std::string_view key) {
  LWQ_ASSIGN_OR_RETURN(
      const HttpResponse head,
      client.Call({.what = absl::StrCat("look at object '", key, "'"), .method = "HEAD", .key = std::string(key)}));
  if (head.ContentLength() != 0) return Wrong(key, "says that it has no bytes, and that it has some");
  return Bytes();
}

// ALREADY_EXISTS where another version came between.
StatusOr<Bytes> ReadVersion(S3Client& client, std::string_view key) {
  const int64_t part_bytes = int64_t{client.location().part_mib} << 20;
  StatusOr<Beginning> begin = client.retrier().Run([&] { return ReadBeginning(client, key, part_bytes); });
  if (absl::IsOutOfRange(begin.status())) return ReadEmpty(client, key);
  if (!begin.ok()) return begin.status();
  const std::span<std::byte> whole = begin->buffer.span();
  const std::span<std::byte> rest = whole.subspan(static_cast<size_t>(begin->read_bytes));
  if (rest.empty()) {
    if (begin->checksum.has_value() && DigestOf(whole) != *begin->checksum) {
      return absl::DataLossError(absl::StrCat("object '", key, "' in ", client.location().Describe(),
                                              " is damaged: its bytes have another checksum than the server keeps"));
    }
  } else {
    if (begin->etag.empty()) return Wrong(key, "has no ETag");
    LWQ_RETURN_IF_ERROR(ReadParts(client, key, begin->read_bytes, rest, begin->etag));
  }
  return std::move(begin->buffer).Take();
}

}  // namespace

StatusOr<Bytes> ReadS3Object(S3Client& client, std::string_view key) {
  bool was_damaged = false;
  StatusOr<Bytes> bytes = Bytes();
  for (int version = 0; version < kVersionsMax; ++version) {
    bytes = ReadVersion(client, key);
    // Once more: damage may have happened on the way.
    const bool is_damaged_first = absl::IsDataLoss(bytes.status()) && !was_damaged;
    was_damaged = was_damaged || is_damaged_first;
    if (!is_damaged_first && !absl::IsAlreadyExists(bytes.status())) return bytes;
  }
  return absl::AbortedError(absl::StrCat("object '", key, "' is replaced faster than it can be read"));
}

StatusOr<Bytes> ReadS3Range(S3Client& client, std::string_view key, int64_t offset, int64_t length) {
  Buffer buffer;
  LWQ_RETURN_IF_ERROR(buffer.Allocate(length));
  LWQ_RETURN_IF_ERROR(ReadParts(client, key, offset, buffer.span(), ""));
  return std::move(buffer).Take();
}

}  // namespace lwq
