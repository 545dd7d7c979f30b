// SPDX-License-Identifier: Apache-2.0
// An object store whose operations end with the interrupt's reason once it has been raised: uploads and downloads of
// any size stop at the next piece. What was stored before stays and is found by the next attempt.
//
// Thread-safety: as the store inside.
#pragma once

#include <memory>
#include <string>

#include "client/base/interrupt.h"
#include "common/object_store/object_store.h"

namespace lwq::client {

class InterruptibleStore : public ObjectStore {
 public:
  // `interrupt` must outlive this.
  InterruptibleStore(std::unique_ptr<ObjectStore> store, const Interrupt* interrupt)
      : store_(std::move(store)), interrupt_(interrupt) {}

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return store_->Describe(); }
  bool IsLocal() const override { return store_->IsLocal(); }

 private:
  std::unique_ptr<ObjectStore> store_;
  const Interrupt* interrupt_;
};

}  // namespace lwq::client
