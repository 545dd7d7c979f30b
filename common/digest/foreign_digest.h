// SPDX-License-Identifier: Apache-2.0
// Digests by which others name contents: what came from them is compared with what they call it.
//
// Ours is SHA-256 (digest.h) and nothing else. Thread-safety: a hasher belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lwq {

enum class ForeignDigest {
  kSha256,       // of Git LFS
  kGitBlobSha1,  // of git: SHA-1 of "blob SIZE\0" and the content
  kMd5,          // of S3: the ETag of an object that was put as one
};

class ForeignHasher {
 public:
  // `size_bytes` of the whole content, which git's digest covers, too.
  ForeignHasher(ForeignDigest kind, int64_t size_bytes);
  ~ForeignHasher();
  ForeignHasher(const ForeignHasher&) = delete;
  ForeignHasher& operator=(const ForeignHasher&) = delete;
  void Update(std::span<const std::byte> data);
  // Lower-case hexadecimal digits: 64, 40 or 32. The hasher may not be used afterwards.
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lwq
