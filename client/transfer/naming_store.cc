// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/naming_store.h"

namespace lwq::client {
namespace {

Status NoBytes(std::string_view key) {
  return absl::UnimplementedError(absl::StrCat("object ", key, ": this store keeps names and sizes only"));
}

}  // namespace

class NamingStore::NamingUpload : public Upload {
 public:
  NamingUpload(NamingStore* store, std::string_view key, const PutOptions& options)
      : store_(store), key_(key), options_(options) {}
  Status Write(std::span<const std::byte> data) override {
    size_bytes_ += static_cast<int64_t>(data.size());
    return absl::OkStatus();
  }
  Status Commit() override { return store_->Record(key_, size_bytes_, options_); }

 private:
  NamingStore* store_;
  const std::string key_;
  const PutOptions options_;
  int64_t size_bytes_ = 0;
};

Status NamingStore::Record(std::string_view key, int64_t size_bytes, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const MutexLock lock(&mutex_);
  const bool is_new = sizes_.insert_or_assign(std::string(key), size_bytes).second;
  if (!is_new && options.if_absent) return absl::AlreadyExistsError(absl::StrCat("object ", key, " exists"));
  return absl::OkStatus();
}

Status NamingStore::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  return Record(key, static_cast<int64_t>(data.size()), options);
}

StatusOr<std::unique_ptr<Upload>> NamingStore::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  return std::unique_ptr<Upload>(std::make_unique<NamingUpload>(this, key, options));
}

StatusOr<Bytes> NamingStore::Get(std::string_view key) {
  return NoBytes(key);
}

StatusOr<Bytes> NamingStore::GetRange(std::string_view key, int64_t /*offset*/, int64_t /*length*/) {
  return NoBytes(key);
}

StatusOr<ObjectInfo> NamingStore::Head(std::string_view key) {
  const MutexLock lock(&mutex_);
  const auto found = sizes_.find(key);
  if (found == sizes_.end()) return absl::NotFoundError(absl::StrCat("no object ", key));
  return ObjectInfo{found->first, found->second};
}

StatusOr<ListPage> NamingStore::List(std::string_view prefix, std::string_view start_after, int limit) {
  const MutexLock lock(&mutex_);
  ListPage page;
  for (auto it = sizes_.upper_bound(start_after); it != sizes_.end(); ++it) {
    if (!it->first.starts_with(prefix)) continue;
    if (static_cast<int>(page.objects.size()) == limit) {
      page.truncated = true;
      break;
    }
    page.objects.push_back({it->first, it->second});
  }
  return page;
}

Status NamingStore::Renew(std::string_view key) {
  return Head(key).status();
}

Status NamingStore::Delete(std::string_view key) {
  const MutexLock lock(&mutex_);
  if (const auto found = sizes_.find(key); found != sizes_.end()) sizes_.erase(found);
  return absl::OkStatus();
}

}  // namespace lwq::client
