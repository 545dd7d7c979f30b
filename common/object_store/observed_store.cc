// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/observed_store.h"

#include <chrono>
#include <string>
#include <utility>

namespace lwq {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

class ObservedUpload final : public Upload {
 public:
  ObservedUpload(std::unique_ptr<Upload> upload, StoreObserver observer)
      : upload_(std::move(upload)), observer_(std::move(observer)) {}
  ~ObservedUpload() override {
    if (!told_) Tell(absl::StatusCode::kCancelled);
  }

  Status Write(std::span<const std::byte> data) override {
    Status status = upload_->Write(data);
    if (status.ok()) written_bytes_ += static_cast<int64_t>(data.size());
    return status;
  }
  Status Commit() override {
    Status status = upload_->Commit();
    if (!told_) Tell(status.code());
    return status;
  }

 private:
  void Tell(absl::StatusCode code) {
    told_ = true;
    observer_({.operation = "upload", .code = code, .seconds = SecondsSince(begun_), .written_bytes = written_bytes_});
  }

  const std::unique_ptr<Upload> upload_;
  const StoreObserver observer_;
  const Clock::time_point begun_ = Clock::now();
  int64_t written_bytes_ = 0;
  bool told_ = false;
};

class ObservedObjectStore final : public ObjectStore {
 public:
  ObservedObjectStore(std::unique_ptr<ObjectStore> store, StoreObserver observer)
      : store_(std::move(store)), observer_(std::move(observer)) {}

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override {
    const auto begun = Clock::now();
    Status status = store_->Put(key, data, options);
    const auto bytes = status.ok() ? static_cast<int64_t>(data.size()) : 0;
    observer_({.operation = "put", .code = status.code(), .seconds = SecondsSince(begun), .written_bytes = bytes});
    return status;
  }
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override {
    const auto begun = Clock::now();
    StatusOr<std::unique_ptr<Upload>> upload = store_->StartUpload(key, options);
    if (upload.ok()) return std::make_unique<ObservedUpload>(*std::move(upload), observer_);
    observer_({.operation = "upload", .code = upload.status().code(), .seconds = SecondsSince(begun)});
    return upload;
  }
  StatusOr<Bytes> Get(std::string_view key) override {
    const auto begun = Clock::now();
    return ToldRead("get", begun, store_->Get(key));
  }
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override {
    const auto begun = Clock::now();
    return ToldRead("get_range", begun, store_->GetRange(key, offset, length));
  }
  StatusOr<ObjectInfo> Head(std::string_view key) override {
    const auto begun = Clock::now();
    StatusOr<ObjectInfo> info = store_->Head(key);
    Tell("head", begun, info.status().code());
    return info;
  }
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override {
    const auto begun = Clock::now();
    StatusOr<ListPage> page = store_->List(prefix, start_after, limit);
    Tell("list", begun, page.status().code());
    return page;
  }
  Status Renew(std::string_view key) override {
    const auto begun = Clock::now();
    Status status = store_->Renew(key);
    Tell("renew", begun, status.code());
    return status;
  }
  Status Delete(std::string_view key) override {
    const auto begun = Clock::now();
    Status status = store_->Delete(key);
    Tell("delete", begun, status.code());
    return status;
  }
  std::string Describe() const override { return store_->Describe(); }
  bool IsLocal() const override { return store_->IsLocal(); }

 private:
  void Tell(std::string_view operation, Clock::time_point begun, absl::StatusCode code) {
    observer_({.operation = operation, .code = code, .seconds = SecondsSince(begun)});
  }
  StatusOr<Bytes> ToldRead(std::string_view operation, Clock::time_point begun, StatusOr<Bytes> bytes) {
    observer_({.operation = operation,
               .code = bytes.status().code(),
               .seconds = SecondsSince(begun),
               .read_bytes = bytes.ok() ? static_cast<int64_t>(bytes->size()) : 0});
    return bytes;
  }

  const std::unique_ptr<ObjectStore> store_;
  const StoreObserver observer_;
};

}  // namespace

std::unique_ptr<ObjectStore> ObserveStore(std::unique_ptr<ObjectStore> store, StoreObserver observer) {
  return std::make_unique<ObservedObjectStore>(std::move(store), std::move(observer));
}

}  // namespace lwq
