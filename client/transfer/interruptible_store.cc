// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/interruptible_store.h"

namespace lwq::client {

Status InterruptibleStore::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->Put(key, data, options);
}

StatusOr<std::unique_ptr<Upload>> InterruptibleStore::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->StartUpload(key, options);
}

StatusOr<Bytes> InterruptibleStore::Get(std::string_view key) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->Get(key);
}

StatusOr<Bytes> InterruptibleStore::GetRange(std::string_view key, int64_t offset, int64_t length) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->GetRange(key, offset, length);
}

StatusOr<ObjectInfo> InterruptibleStore::Head(std::string_view key) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->Head(key);
}

StatusOr<ListPage> InterruptibleStore::List(std::string_view prefix, std::string_view start_after, int limit) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->List(prefix, start_after, limit);
}

Status InterruptibleStore::Renew(std::string_view key) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->Renew(key);
}

Status InterruptibleStore::Delete(std::string_view key) {
  LWQ_RETURN_IF_ERROR(interrupt_->reason());
  return store_->Delete(key);
}

}  // namespace lwq::client
