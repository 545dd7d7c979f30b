// SPDX-License-Identifier: Apache-2.0
// An object store for tests that is stricter and less reliable than S3, reproducibly.
//
// Wraps another store and behaves as a remote one: it is not local, every Get hands out a fresh copy, and list pages
// may be shorter than asked for. With a seed, any call may answer UNAVAILABLE before it took effect, or after: the
// caller cannot know. Tests can also watch each call, and make chosen ones fail.
//
// Thread-safety: any thread. Which call meets which fault depends on the order of calls, so only single-threaded tests
// repeat exactly.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

#include "common/object_store/object_store.h"

namespace lwq::test {

enum class StoreCall { kPut, kStartUpload, kWrite, kCommit, kGet, kGetRange, kHead, kList, kRenew, kDelete };
inline constexpr int kStoreCalls = 10;

struct FaultOptions {
  uint64_t seed = 0;
  double unavailable_before = 0;  // probability that a call fails without effect
  double unavailable_after = 0;   // probability that a call takes effect and its answer is lost
  int list_page_max = 1000;
};

class FaultStore : public ObjectStore {
 public:
  FaultStore(std::unique_ptr<ObjectStore> inner, const FaultOptions& options)
      : inner_(std::move(inner)), options_(options), random_(options.seed) {}

  // Called before each call takes effect, with the key; an error becomes the call's answer. Set before use.
  void SetHook(std::function<Status(StoreCall, std::string_view)> hook) { hook_ = std::move(hook); }
  int64_t calls(StoreCall call) const { return calls_[static_cast<size_t>(call)].load(); }
  int64_t faults() const { return faults_.load(); }
  ObjectStore& inner() { return *inner_; }

  Status Put(std::string_view key, std::span<const std::byte> data, const PutOptions& options) override;
  StatusOr<std::unique_ptr<Upload>> StartUpload(std::string_view key, const PutOptions& options) override;
  StatusOr<Bytes> Get(std::string_view key) override;
  StatusOr<Bytes> GetRange(std::string_view key, int64_t offset, int64_t length) override;
  StatusOr<ObjectInfo> Head(std::string_view key) override;
  StatusOr<ListPage> List(std::string_view prefix, std::string_view start_after, int limit) override;
  Status Renew(std::string_view key) override;
  Status Delete(std::string_view key) override;
  std::string Describe() const override { return "fault:" + inner_->Describe(); }
  bool IsLocal() const override { return false; }

  // For the store's own uploads: counts, asks the hook, draws.
  Status Before(StoreCall call, std::string_view key);
  Status After(StoreCall call, std::string_view key);

 private:
  bool Draw(double probability);

  const std::unique_ptr<ObjectStore> inner_;
  const FaultOptions options_;
  std::function<Status(StoreCall, std::string_view)> hook_;
  std::array<std::atomic<int64_t>, kStoreCalls> calls_{};
  std::atomic<int64_t> faults_{0};
  std::mutex mutex_;
  std::mt19937_64 random_;  // guarded by mutex_
};

}  // namespace lwq::test
