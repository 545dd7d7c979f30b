// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/fault_store.h"

#include <algorithm>
#include <utility>

namespace lwq::test {
namespace {

Bytes Copy(const Bytes& bytes) {
  return Bytes::FromString(std::string(bytes.view()));
}

class FaultUpload : public Upload {
 public:
  FaultUpload(FaultStore* store, std::string key, std::unique_ptr<Upload> inner)
      : store_(store), key_(std::move(key)), inner_(std::move(inner)) {}

  // A part is either stored or not: a Write has no ambiguous outcome.
  Status Write(std::span<const std::byte> data) override {
    LWQ_RETURN_IF_ERROR(store_->Before(StoreCall::kWrite, key_));
    return inner_->Write(data);
  }

  // Once committed, a repeated Commit finds what is there, as S3 does when its first answer was lost.
  Status Commit() override {
    LWQ_RETURN_IF_ERROR(store_->Before(StoreCall::kCommit, key_));
    if (committed_) return absl::AlreadyExistsError(absl::StrCat("object '", key_, "' already exists"));
    LWQ_RETURN_IF_ERROR(inner_->Commit());
    const Status answer = store_->After(StoreCall::kCommit, key_);
    committed_ = !answer.ok();
    return answer;
  }

 private:
  FaultStore* store_;
  const std::string key_;
  std::unique_ptr<Upload> inner_;
  bool committed_ = false;
};

}  // namespace

bool FaultStore::Draw(double probability) {
  if (probability <= 0) return false;
  const std::lock_guard lock(mutex_);
  return std::uniform_real_distribution<double>()(random_) < probability;
}

Status FaultStore::Before(StoreCall call, std::string_view key) {
  ++calls_[static_cast<size_t>(call)];
  if (hook_) LWQ_RETURN_IF_ERROR(hook_(call, key));
  if (!Draw(options_.unavailable_before)) return absl::OkStatus();
  ++faults_;
  return absl::UnavailableError(absl::StrCat("injected fault before the effect on '", key, "'"));
}

Status FaultStore::After(StoreCall, std::string_view key) {
  if (!Draw(options_.unavailable_after)) return absl::OkStatus();
  ++faults_;
  return absl::UnavailableError(absl::StrCat("injected fault after the effect on '", key, "'"));
}

Status FaultStore::Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kPut, key));
  LWQ_RETURN_IF_ERROR(inner_->Put(key, data, options));
  return After(StoreCall::kPut, key);
}

StatusOr<std::unique_ptr<Upload>> FaultStore::StartUpload(std::string_view key, const PutOptions& options) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kStartUpload, key));
  LWQ_ASSIGN_OR_RETURN(std::unique_ptr<Upload> upload, inner_->StartUpload(key, options));
  return std::make_unique<FaultUpload>(this, std::string(key), std::move(upload));
}

StatusOr<Bytes> FaultStore::Get(std::string_view key) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kGet, key));
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, inner_->Get(key));
  LWQ_RETURN_IF_ERROR(After(StoreCall::kGet, key));
  return Copy(bytes);
}

StatusOr<Bytes> FaultStore::GetRange(std::string_view key, int64_t offset, int64_t length) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kGetRange, key));
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, inner_->GetRange(key, offset, length));
  LWQ_RETURN_IF_ERROR(After(StoreCall::kGetRange, key));
  return Copy(bytes);
}

StatusOr<ObjectInfo> FaultStore::Head(std::string_view key) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kHead, key));
  LWQ_ASSIGN_OR_RETURN(ObjectInfo info, inner_->Head(key));
  LWQ_RETURN_IF_ERROR(After(StoreCall::kHead, key));
  return info;
}

StatusOr<ListPage> FaultStore::List(std::string_view prefix, std::string_view start_after, int limit) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kList, prefix));
  // The inner store judges the caller's limit before it is narrowed.
  LWQ_ASSIGN_OR_RETURN(ListPage page, inner_->List(prefix, start_after, limit));
  LWQ_RETURN_IF_ERROR(After(StoreCall::kList, prefix));
  const size_t page_max = static_cast<size_t>(std::max(1, options_.list_page_max));
  if (page.objects.size() > page_max) {
    page.objects.resize(page_max);
    page.truncated = true;
  }
  return page;
}

Status FaultStore::Renew(std::string_view key) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kRenew, key));
  LWQ_RETURN_IF_ERROR(inner_->Renew(key));
  return After(StoreCall::kRenew, key);
}

Status FaultStore::Delete(std::string_view key) {
  LWQ_RETURN_IF_ERROR(Before(StoreCall::kDelete, key));
  LWQ_RETURN_IF_ERROR(inner_->Delete(key));
  return After(StoreCall::kDelete, key);
}

}  // namespace lwq::test
