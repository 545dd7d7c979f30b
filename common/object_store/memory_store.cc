// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/memory_store.h"

#include <chrono>
#include <utility>

#include "common/object_store/store_checks.h"
#include "common/status/out_of_storage.h"

namespace lwq {
namespace {

class MemoryUpload : public Upload {
 public:
  MemoryUpload(MemoryStore* store, std::string key, const PutOptions& options)
      : store_(store), key_(std::move(key)), options_(options) {}

  Status Write(std::span<const std::byte> data) override {
    if (over_) return absl::FailedPreconditionError(absl::StrCat("upload of '", key_, "' is already committed"));
    data_.append(reinterpret_cast<const char*>(data.data()), data.size());
    return absl::OkStatus();
  }

  Status Commit() override {
    if (over_) return absl::FailedPreconditionError(absl::StrCat("upload of '", key_, "' is already committed"));
    over_ = true;
    return store_->Put(key_, std::as_bytes(std::span(data_.data(), data_.size())), options_);
  }

 private:
  MemoryStore* store_;
  const std::string key_;
  const PutOptions options_;
  std::string data_;
  bool over_ = false;
};

int64_t SystemUnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

MemoryStore::MemoryStore(int64_t capacity_bytes, std::function<int64_t()> now_unix_ms)
    : capacity_bytes_(capacity_bytes), now_unix_ms_(now_unix_ms ? std::move(now_unix_ms) : SystemUnixMs) {}

ObjectInfo MemoryStore::InfoOf(const std::string& key, const Object& object) {
  return {key, static_cast<int64_t>(object.bytes.size()), object.modified_unix_ms};
}

Status MemoryStore::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  Bytes bytes = Bytes::FromString(std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  const MutexLock lock(&mutex_);
  const auto it = objects_.find(key);
  if (it != objects_.end() && options.if_absent) return ObjectExists(key, Describe());
  const int64_t replaced_bytes = it == objects_.end() ? 0 : static_cast<int64_t>(it->second.bytes.size());
  const int64_t size_bytes = static_cast<int64_t>(data.size());
  if (size_bytes > capacity_bytes_ - (held_bytes_ - replaced_bytes)) {
    return OutOfStorageError(absl::StrCat("object '", key, "' of ", size_bytes, " bytes does not fit: ", Describe(),
                                          " holds ", held_bytes_, " of ", capacity_bytes_));
  }
  held_bytes_ += size_bytes - replaced_bytes;
  objects_.insert_or_assign(std::string(key), Object{std::move(bytes), now_unix_ms_()});
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<Upload>> MemoryStore::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  return std::make_unique<MemoryUpload>(this, std::string(key), options);
}

StatusOr<Bytes> MemoryStore::Get(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const MutexLock lock(&mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return ObjectNotFound(key, Describe());
  return it->second.bytes;
}

StatusOr<Bytes> MemoryStore::GetRange(std::string_view key, int64_t offset, int64_t length) {
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Get(key));
  LWQ_RETURN_IF_ERROR(ValidateRange(key, offset, length, static_cast<int64_t>(bytes.size())));
  return bytes.Slice(static_cast<size_t>(offset), static_cast<size_t>(length));
}

StatusOr<ObjectInfo> MemoryStore::Head(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const MutexLock lock(&mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return ObjectNotFound(key, Describe());
  return InfoOf(it->first, it->second);
}

StatusOr<ListPage> MemoryStore::List(std::string_view prefix, std::string_view start_after, int limit) {
  LWQ_RETURN_IF_ERROR(ValidateListArguments(prefix, start_after, limit));
  const MutexLock lock(&mutex_);
  ListPage page;
  auto it = start_after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(start_after);
  for (; it != objects_.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    if (page.objects.size() == static_cast<size_t>(limit)) {
      page.truncated = true;
      break;
    }
    page.objects.push_back(InfoOf(it->first, it->second));
  }
  return page;
}

Status MemoryStore::Renew(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const MutexLock lock(&mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return ObjectNotFound(key, Describe());
  it->second.modified_unix_ms = now_unix_ms_();
  return absl::OkStatus();
}

Status MemoryStore::Delete(std::string_view key) {
  LWQ_RETURN_IF_ERROR(ValidateObjectKey(key));
  const MutexLock lock(&mutex_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return absl::OkStatus();
  held_bytes_ -= static_cast<int64_t>(it->second.bytes.size());
  objects_.erase(it);
  return absl::OkStatus();
}

}  // namespace lwq
