// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/copy_records.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/election/postgres_lease.h"
#include "coordinator/store/copy_store.h"
#include "coordinator/store/postgres_connection.h"
#include "coordinator/store/store.h"

namespace lwq::coordinator {
namespace {

// A store that no coordinator uses, nor begins to use while this is there.
class UnusedStore {
 public:
  static StatusOr<UnusedStore> Open(const std::string& uri, const char* id) {
    UnusedStore unused;
    LWQ_ASSIGN_OR_RETURN(unused.store_, OpenStore(uri));
    if (!IsPostgresUri(uri)) return unused;  // a file is locked by whoever has opened it
    unused.lease_ = MakePostgresLease(uri, {.id = id, .address = "a copy of its records"}, std::chrono::hours(1));
    LWQ_ASSIGN_OR_RETURN(const Lead lead, unused.lease_->Take());
    if (!lead.own) {
      return absl::FailedPreconditionError(absl::StrCat(unused.store_->Describe(), " is in use by the coordinator at ",
                                                        lead.address, ": stop it, and those that stand by"));
    }
    return unused;
  }
  UnusedStore(UnusedStore&&) = default;
  UnusedStore& operator=(UnusedStore&&) = delete;
  ~UnusedStore() {
    if (lease_ != nullptr) (void)lease_->Release();  // else it ends by itself
  }

  Store& operator*() const { return *store_; }

 private:
  UnusedStore() = default;

  std::unique_ptr<Store> store_;
  std::unique_ptr<LeadLease> lease_;  // null: it needs none
};

// A store is made where there is none, which is not what a wrong path to copy from should do.
Status CheckIsThere(std::string_view uri) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (!uri.starts_with(kSqlite)) return absl::OkStatus();
  const std::string path(uri.substr(kSqlite.size()));
  std::error_code error;
  if (std::filesystem::exists(path, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--copy-from: there is no file ", path));
}

}  // namespace

Status CopyRecords(const std::string& from, const std::string& to) {
  LWQ_RETURN_IF_ERROR(CheckIsThere(from));
  LWQ_ASSIGN_OR_RETURN(const UnusedStore source, UnusedStore::Open(from, "copied from"));
  LWQ_ASSIGN_OR_RETURN(const UnusedStore target, UnusedStore::Open(to, "copied to"));
  LWQ_ASSIGN_OR_RETURN(const CopiedCounts counts, CopyStore(*source, *target));
  std::printf("copied %zu runs, %zu sweeps, %zu tasks, %zu results, %zu workers, %zu log lines\n  from %s\n  to   %s\n",
              counts.runs, counts.sweeps, counts.tasks, counts.results, counts.workers, counts.log_lines,
              (*source).Describe().c_str(), (*target).Describe().c_str());
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
