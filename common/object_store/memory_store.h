// SPDX-License-Identifier: Apache-2.0
// An object store in memory, for tests: as strict as S3 and then some, so that what passes here passes there.
//
// Thread-safety: any thread. Objects are immutable and shared: Get and GetRange never copy.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "common/object_store/object_store.h"
#include "common/sync/mutex.h"

namespace lwq {

class MemoryStore : public ObjectStore {
 public:
  // RESOURCE_EXHAUSTED for a put that would make the objects hold more than capacity_bytes in sum. `now_unix_ms` is the
  // store's clock; null: the system's.
  explicit MemoryStore(int64_t capacity_bytes = std::numeric_limits<int64_t>::max(),
                       std::function<int64_t()> now_unix_ms = nullptr);

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return "memory:"; }
  bool IsLocal() const override { return true; }

 private:
  struct Object {
    Bytes bytes;
    int64_t modified_unix_ms = 0;
  };
  static ObjectInfo InfoOf(const std::string& key, const Object& object);

  const int64_t capacity_bytes_;
  const std::function<int64_t()> now_unix_ms_;
  Mutex mutex_;
  int64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Object, std::less<>> objects_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq
