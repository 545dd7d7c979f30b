// SPDX-License-Identifier: Apache-2.0
#include "coordinator/election/postgres_lease.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/store/postgres_connection.h"

namespace lwq::coordinator {
namespace {

constexpr const char* kTake = "take_lead";
constexpr const char* kTakeByForce = "take_lead_by_force";
constexpr const char* kRenew = "renew_lead";
constexpr const char* kRelease = "release_lead";

std::vector<PreparedSql> PreparedStatements() {
  const std::string set =
      "UPDATE lead_lease SET holder = $1, address = $2, ends = clock_timestamp() + $3 * interval '1 millisecond'";
  return {{kTake, absl::StrCat(set, " WHERE ends <= clock_timestamp()")},
          {kTakeByForce, set},
          {kRenew, absl::StrCat(set, " WHERE holder = $1")},
          {kRelease, "UPDATE lead_lease SET ends = '-infinity' WHERE holder = $1"}};
}

class PostgresLease final : public LeadLease {
 public:
  PostgresLease(std::string uri, Candidate candidate, std::chrono::milliseconds length)
      : uri_(std::move(uri)), candidate_(std::move(candidate)), length_(length) {}

  StatusOr<Lead> Take() override { return UpdateAndLook(kTake); }
  StatusOr<Lead> TakeByForce() override { return UpdateAndLook(kTakeByForce); }
  StatusOr<Lead> Renew() override { return UpdateAndLook(kRenew); }
  Status Release() override {
    LWQ_RETURN_IF_ERROR(Connect());
    const PreparedCall call{kRelease, {candidate_.id}};
    return connection_->Execute({&call, 1});
  }

 private:
  Status Connect() {
    if (connection_ != nullptr && !connection_->lost()) return absl::OkStatus();
    connection_.reset();
    LWQ_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, PostgresConnection::Open(uri_));
    LWQ_RETURN_IF_ERROR(connection->Prepare(PreparedStatements()));
    connection_ = std::move(connection);
    return absl::OkStatus();
  }

  StatusOr<Lead> UpdateAndLook(const char* statement) {
    LWQ_RETURN_IF_ERROR(Connect());
    const PreparedCall call{statement, {candidate_.id, candidate_.address, std::to_string(length_.count())}};
    LWQ_RETURN_IF_ERROR(connection_->Execute({&call, 1}));
    Lead lead;
    LWQ_RETURN_IF_ERROR(connection_->Query("SELECT holder, address FROM lead_lease WHERE ends > clock_timestamp()",
                                           [&](const Row& row) {
                                             lead = {.own = row.Text(0) == candidate_.id, .address = row.Text(1)};
                                             return absl::OkStatus();
                                           }));
    return lead;
  }

  const std::string uri_;
  const Candidate candidate_;
  const std::chrono::milliseconds length_;
  std::unique_ptr<PostgresConnection> connection_;
};

}  // namespace

std::unique_ptr<LeadLease> MakePostgresLease(std::string uri, Candidate candidate, std::chrono::milliseconds length) {
  return std::make_unique<PostgresLease>(std::move(uri), std::move(candidate), length);
}

}  // namespace lwq::coordinator
