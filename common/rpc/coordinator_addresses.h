// SPDX-License-Identifier: Apache-2.0
// Where the coordinator may be: one address, or those of several coordinators of one store, of which one leads.
//
// Thread-safety: one thread at a time.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"
#include "grpcpp/support/string_ref.h"

namespace lwq {

// Trailing metadata of a coordinator that stands by: HOST:PORT of the one that leads.
inline constexpr char kLeaderKey[] = "lwq-leader";

class CoordinatorAddresses {
 public:
  // HOST:PORT, or several with commas between. INVALID_ARGUMENT: "expected HOST:PORT, got …", one is named twice.
  static StatusOr<CoordinatorAddresses> Parse(std::string_view text);

  const std::vector<std::string>& all() const { return addresses_; }
  // The one to call.
  const std::string& current() const { return addresses_[current_]; }
  // Nobody answered there, or one that stands by: goes to the leader that it named, where that is one of these (a
  // token is shown to no other), else to the next.
  void MoveOn(std::string_view leader = "");

 private:
  explicit CoordinatorAddresses(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}

  std::vector<std::string> addresses_;  // at least one
  size_t current_ = 0;
};

// The value of kLeaderKey in a call's trailing metadata; "": none.
std::string LeaderOf(const std::multimap<grpc::string_ref, grpc::string_ref>& trailing_metadata);

}  // namespace lwq
