// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/coordinator_addresses.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/address.h"

namespace lwq {

StatusOr<CoordinatorAddresses> CoordinatorAddresses::Parse(std::string_view text) {
  std::vector<std::string> addresses;
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    std::string address(part);
    LWQ_RETURN_IF_ERROR(ParseHostPort(address).status());
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) {
      return absl::InvalidArgumentError(absl::StrCat(address, " is named twice"));
    }
    addresses.push_back(std::move(address));
  }
  return CoordinatorAddresses(std::move(addresses));
}

void CoordinatorAddresses::MoveOn(std::string_view leader) {
  const auto named = std::find(addresses_.begin(), addresses_.end(), leader);
  current_ =
      named != addresses_.end() ? static_cast<size_t>(named - addresses_.begin()) : (current_ + 1) % addresses_.size();
}

std::string LeaderOf(const std::multimap<grpc::string_ref, grpc::string_ref>& trailing_metadata) {
  const auto found = trailing_metadata.find(kLeaderKey);
  return found == trailing_metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace lwq
