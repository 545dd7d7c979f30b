// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/gate.h"

#include <ctime>

#include "absl/strings/match.h"

namespace lwq::coordinator {
namespace {

constexpr std::string_view kScheme = "Bearer ";

// What follows the scheme in the header.
StatusOr<std::string_view> TokenIn(const grpc::ServerContextBase& context) {
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  if (header == metadata.end()) {
    return absl::UnauthenticatedError(
        "no token was sent: give --token-file or set LWQ_TOKEN_FILE (the header authorization: Bearer TOKEN)");
  }
  const std::string_view value(header->second.data(), header->second.size());
  if (metadata.count("authorization") != 1 ||
      !absl::StartsWithIgnoreCase({value.data(), value.size()}, {kScheme.data(), kScheme.size()})) {
    return absl::UnauthenticatedError("the header authorization must come once, as Bearer TOKEN");
  }
  return value.substr(kScheme.size());
}

}  // namespace

StatusOr<Caller> Gate::Identify(const grpc::ServerContextBase& context) const {
  if (tokens_ == nullptr) return Caller::Anybody();
  LWQ_ASSIGN_OR_RETURN(const std::string_view token, TokenIn(context));
  LWQ_ASSIGN_OR_RETURN(const TokenRecord record, tokens_->Find(token, std::time(nullptr)));
  return Caller::Of(record);
}

StatusOr<Caller> Gate::Enter(const grpc::ServerContextBase& context, Rpc rpc) const {
  LWQ_ASSIGN_OR_RETURN(Caller caller, Identify(context));
  LWQ_RETURN_IF_ERROR(caller.CheckMethod(RuleOf(rpc)));
  return caller;
}

Status Gate::StillLets(const Caller& caller) const {
  if (tokens_ == nullptr) return absl::OkStatus();
  return tokens_->StillValid(caller.token_sha256(), std::time(nullptr));
}

}  // namespace lwq::coordinator
