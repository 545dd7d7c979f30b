// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/retry_store.h"

#include <string>
#include <utility>

#include "common/digest/digest.h"

namespace lwq {
namespace {

// After an ambiguous failure the key was taken: OK if by our own bytes.
Status ResolveConflict(ObjectStore& store, Retrier& retrier, const std::string& key, int64_t size_bytes,
                       const Digest& digest, const Status& conflict) {
  const StatusOr<Bytes> winner = retrier.Run([&] { return store.Get(key); });
  if (!winner.ok()) return conflict;
  const bool is_ours = static_cast<int64_t>(winner->size()) == size_bytes && DigestOf(winner->span()) == digest;
  return is_ours ? absl::OkStatus() : conflict;
}

class RetryUpload : public Upload {
 public:
  RetryUpload(ObjectStore* store, Retrier* retrier, std::string key, bool if_absent, std::unique_ptr<Upload> inner)
      : store_(store), retrier_(retrier), key_(std::move(key)), if_absent_(if_absent), inner_(std::move(inner)) {}

  Status Write(std::span<const std::byte> data) override {
    LWQ_RETURN_IF_ERROR(retrier_->Run([&] { return inner_->Write(data); }));
    size_bytes_ += static_cast<int64_t>(data.size());
    if (if_absent_) hasher_.Update(data);
    return absl::OkStatus();
  }

  Status Commit() override {
    const Status status = retrier_->Run([&] { return inner_->Commit(); }, &was_ambiguous_);
    if (!if_absent_ || !was_ambiguous_ || !absl::IsAlreadyExists(status)) return status;
    return ResolveConflict(*store_, *retrier_, key_, size_bytes_, hasher_.Finish(), status);
  }

 private:
  ObjectStore* store_;
  Retrier* retrier_;
  const std::string key_;
  const bool if_absent_;
  std::unique_ptr<Upload> inner_;
  bool was_ambiguous_ = false;
  int64_t size_bytes_ = 0;
  Sha256 hasher_;
};

class RetryStore : public ObjectStore {
 public:
  RetryStore(std::unique_ptr<ObjectStore> inner, const RetryOptions& options, RetryWait wait)
      : inner_(std::move(inner)), retrier_(options, std::move(wait)) {}

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override {
    bool was_ambiguous = false;
    const Status status = retrier_.Run([&] { return inner_->Put(key, data, options); }, &was_ambiguous);
    if (!options.if_absent || !was_ambiguous || !absl::IsAlreadyExists(status)) return status;
    return ResolveConflict(*inner_, retrier_, std::string(key), static_cast<int64_t>(data.size()), DigestOf(data),
                           status);
  }

  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override {
    LWQ_ASSIGN_OR_RETURN(std::unique_ptr<Upload> upload,
                         retrier_.Run([&] { return inner_->StartUpload(key, options); }));
    return std::make_unique<RetryUpload>(inner_.get(), &retrier_, std::string(key), options.if_absent,
                                         std::move(upload));
  }

  StatusOr<Bytes> Get(std::string_view key) override {
    return retrier_.Run([&] { return inner_->Get(key); });
  }
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override {
    return retrier_.Run([&] { return inner_->GetRange(key, offset, length); });
  }
  StatusOr<ObjectInfo> Head(std::string_view key) override {
    return retrier_.Run([&] { return inner_->Head(key); });
  }
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override {
    return retrier_.Run([&] { return inner_->List(prefix, start_after, limit); });
  }
  Status Renew(std::string_view key) override {
    return retrier_.Run([&] { return inner_->Renew(key); });
  }
  Status Delete(std::string_view key) override {
    return retrier_.Run([&] { return inner_->Delete(key); });
  }
  std::string Describe() const override { return inner_->Describe(); }
  bool IsLocal() const override { return inner_->IsLocal(); }

 private:
  const std::unique_ptr<ObjectStore> inner_;
  Retrier retrier_;
};

}  // namespace

std::unique_ptr<ObjectStore> MakeRetryStore(std::unique_ptr<ObjectStore> inner, const RetryOptions& options,
                                            RetryWait wait) {
  return std::make_unique<RetryStore>(std::move(inner), options, std::move(wait));
}

}  // namespace lwq
