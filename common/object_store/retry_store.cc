// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/retry_store.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/digest/digest.h"

namespace lwq {
namespace {

struct RetryRule {
  absl::StatusCode code;
  bool is_retried;
};

constexpr RetryRule kRetryTable[] = {
    {absl::StatusCode::kOk, false},
    {absl::StatusCode::kCancelled, false},           // the caller asked to stop
    {absl::StatusCode::kUnknown, true},              // a fault nobody classified: a broken connection, mostly
    {absl::StatusCode::kInvalidArgument, false},     // the call is wrong
    {absl::StatusCode::kDeadlineExceeded, true},     // slow now, perhaps not later
    {absl::StatusCode::kNotFound, false},            // an answer
    {absl::StatusCode::kAlreadyExists, false},       // an answer
    {absl::StatusCode::kPermissionDenied, false},    // until somebody changes it
    {absl::StatusCode::kResourceExhausted, false},   // a full disk stays full for longer than we wait
    {absl::StatusCode::kFailedPrecondition, false},  // until somebody changes it
    {absl::StatusCode::kAborted, true},              // a conflict inside the store (S3: 409)
    {absl::StatusCode::kOutOfRange, false},          // an answer
    {absl::StatusCode::kUnimplemented, false},       // for ever
    {absl::StatusCode::kInternal, false},            // a bug
    {absl::StatusCode::kUnavailable, true},          // what the code is for
    {absl::StatusCode::kDataLoss, false},            // reading again gives the same bytes
    {absl::StatusCode::kUnauthenticated, false},     // until somebody changes it
};

// Spreads bits evenly (Steele, Lea and Flood's SplitMix64 finalizer).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Retrier {
 public:
  Retrier(const RetryOptions& options, RetryWait wait) : options_(options), wait_(std::move(wait)) {}

  // Calls until the answer is not one to retry, the attempts are spent, or the caller gives up. `was_ambiguous` (may be
  // null) is set when an earlier attempt failed in a way that may have taken effect.
  template <typename Call>
  auto Run(const Call& call, bool* was_ambiguous = nullptr) {
    for (int attempt = 1;; ++attempt) {
      auto answer = call();
      const absl::StatusCode code = internal::ToStatus(answer).code();
      if (!IsRetried(code)) return answer;
      if (was_ambiguous != nullptr) *was_ambiguous = true;
      if (attempt >= options_.attempts_max) return answer;
      const Status waited = wait_(Backoff(attempt));
      if (!waited.ok()) return decltype(answer)(waited);
    }
  }

 private:
  absl::Duration Backoff(int attempt) {
    const absl::Duration whole = std::min(
        options_.backoff_max, options_.backoff_initial * static_cast<double>(1LL << std::min(attempt - 1, 30)));
    const double fraction = static_cast<double>(Mix(options_.seed ^ draws_.fetch_add(1)) >> 11) * 0x1p-53;
    return whole * (0.5 + 0.5 * fraction);
  }

  const RetryOptions options_;
  const RetryWait wait_;
  std::atomic<uint64_t> draws_{0};
};

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

bool IsRetried(absl::StatusCode code) {
  for (const RetryRule& rule : kRetryTable) {
    if (rule.code == code) return rule.is_retried;
  }
  return false;
}

Status WaitBySleeping(absl::Duration duration) {
  absl::SleepFor(duration);
  return absl::OkStatus();
}

std::unique_ptr<ObjectStore> MakeRetryStore(std::unique_ptr<ObjectStore> inner, const RetryOptions& options,
                                            RetryWait wait) {
  return std::make_unique<RetryStore>(std::move(inner), options, std::move(wait));
}

}  // namespace lwq
