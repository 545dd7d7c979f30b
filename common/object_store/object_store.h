// SPDX-License-Identifier: Apache-2.0
// Where every tensor lives: a flat map from keys to immutable byte strings, with S3's semantics and nothing more.
//
// There is no rename, no append, no partial overwrite and no directory. A Put is atomic: a reader sees the old object,
// the new object or none, never a part. Read-after-write and list-after-write are consistent (as S3 is since 2020).
// Keys: 1 to 512 bytes of [A-Za-z0-9._=/-], no leading or trailing '/', no empty, "." or ".." segment, no segment
// longer than 200 bytes; others are INVALID_ARGUMENT. "a" and "a/b" are two unrelated objects and may both exist.
//
// Thread-safety: every method may be called from any thread. Ownership: returned Bytes are independent of the store.
// Errors common to all: UNAVAILABLE (try again), RESOURCE_EXHAUSTED (disk or quota), FAILED_PRECONDITION (the store may
// not be used like this: permissions, read-only), DATA_LOSS (the store says its own bytes are damaged). After
// UNAVAILABLE a write may have happened or not. What the bytes mean, their digests and their publication are
// artifact/'s business; which store a URI names is open_store.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes/bytes.h"
#include "common/status/status.h"

namespace lwq {

struct PutOptions {
  // S3's `If-None-Match: *`: exactly one of any number of concurrent conditional puts of a key wins.
  bool if_absent = false;
};

struct ObjectInfo {
  std::string key;
  int64_t size_bytes = 0;
  // By the store's clock: when it was put or renewed last; 0 where the store does not say.
  int64_t modified_unix_ms = 0;
};

struct ListPage {
  std::vector<ObjectInfo> objects;  // ascending by key (bytewise)
  bool truncated = false;           // more may follow: call again with start_after = objects.back().key
};

// A multipart upload: invisible until Commit. Destroying it without Commit aborts it and leaves nothing behind (a
// process that dies leaves at most an invisible staging file or upload). One thread at a time. The store must outlive
// it.
class Upload {
 public:
  virtual ~Upload() = default;
  // A Write that failed with UNAVAILABLE appended nothing and may be repeated. FAILED_PRECONDITION after Commit.
  virtual Status Write(std::span<const std::byte> data) = 0;
  // ALREADY_EXISTS if the upload was conditional and lost. After UNAVAILABLE it may be repeated; after any other answer
  // the upload is over.
  virtual Status Commit() = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // ALREADY_EXISTS if options.if_absent and the key exists.
  virtual Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) = 0;
  virtual StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) = 0;

  // NOT_FOUND if absent.
  virtual StatusOr<Bytes> Get(std::string_view key) = 0;
  // Exactly [offset, offset+length): OUT_OF_RANGE when that is not inside the object. NOT_FOUND if absent.
  virtual StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) = 0;
  virtual StatusOr<ObjectInfo> Head(std::string_view key) = 0;

  // Objects whose key starts with `prefix`, ascending, after `start_after` (exclusive, "" = from the first), at most
  // `limit` (1 to 1000).
  virtual StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) = 0;

  // The object counts as put now; its bytes stay as they are. (In S3 it is copied onto itself.) NOT_FOUND if absent.
  virtual Status Renew(std::string_view key) = 0;

  // Deleting what is not there is OK.
  virtual Status Delete(std::string_view key) = 0;

  // "file:///dir", "memory:": for messages.
  virtual std::string Describe() const = 0;

  // True when Get maps or shares what the store itself holds on this machine, so that a local copy gains nothing.
  virtual bool IsLocal() const = 0;
};

// INVALID_ARGUMENT with the reason unless `key` obeys the rules above.
Status ValidateObjectKey(std::string_view key);

}  // namespace lwq
