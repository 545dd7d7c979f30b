// SPDX-License-Identifier: Apache-2.0
// Puts of many parts: what an upload and a large put have in common. Used by s3_store.cc alone.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/object_store/object_store.h"
#include "common/s3/s3_client.h"

namespace lwq {

inline constexpr int64_t kMaxS3Parts = 10'000;
inline constexpr int64_t kMaxS3PutBytes = int64_t{5} << 30;

// S3's multipart upload of one key. Destroying it before Complete aborts it.
class S3Multipart {
 public:
  S3Multipart(S3Client* client, std::string key);
  ~S3Multipart();
  S3Multipart(const S3Multipart&) = delete;
  S3Multipart& operator=(const S3Multipart&) = delete;

  // Sends data as the next parts, part_bytes() each but for the last one, and waits for them. Where it fails no part
  // was added, and it may be called again. RESOURCE_EXHAUSTED beyond kMaxS3Parts.
  Status Send(std::span<const std::byte> data);
  // The object is there. UNAVAILABLE may be repeated. The server's answer may have been lost: then the object's size is
  // compared.
  Status Complete();

  int64_t part_bytes() const { return part_bytes_; }

 private:
  Status Start();
  StatusOr<std::string> SendPart(int64_t number, std::span<const std::byte> part);
  Status CompareSize(const Status& otherwise);

  S3Client* const client_;
  const std::string key_;
  const int64_t part_bytes_;
  std::string upload_id_;  // empty: not begun, or over
  std::vector<std::string> etags_;
  int64_t sent_bytes_ = 0;
};

// Puts the bytes as one request.
using PutWhole = std::function<Status(std::span<const std::byte> data)>;

// Collects what is written. Without `only_whole` parts are sent as soon as `parallel` of them are full; what is left at
// Commit goes with them, or by `put_whole` where nothing was sent. With it everything is kept in memory until then, up
// to kMaxS3PutBytes.
std::unique_ptr<Upload> MakeS3Upload(S3Client* client, std::string key, bool only_whole, PutWhole put_whole);

}  // namespace lwq
