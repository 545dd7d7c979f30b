// SPDX-License-Identifier: Apache-2.0
// An object store that keeps names and sizes and forgets the bytes: uploading into it computes digests. `lwq plan` uses
// it to name a run's inputs without sending them anywhere.
//
// Thread-safety: any thread. Reading an object's bytes is UNIMPLEMENTED.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/object_store/object_store.h"
#include "common/sync/mutex.h"

namespace lwq::client {

class NamingStore : public ObjectStore {
 public:
  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return "names only"; }
  bool IsLocal() const override { return false; }

 private:
  Status Record(std::string_view key, int64_t size_bytes, const PutOptions& options);
  class NamingUpload;

  Mutex mutex_;
  std::map<std::string, int64_t, std::less<>> sizes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace lwq::client
