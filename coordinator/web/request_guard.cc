// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/request_guard.h"

#include "common/rpc/address.h"
#include "common/text/one_line.h"

namespace lwq::coordinator {
namespace {

constexpr size_t kShownHostBytes = 80;

bool IsLoopbackName(std::string_view host) {
  if (IsLoopback(host)) return true;
  const StatusOr<HostPort> parsed = ParseHostPort(host);
  return parsed.ok() && IsLoopback(parsed->host);
}

}  // namespace

Status CheckOrigin(std::string_view host, std::string_view fetch_site, bool only_loopback_names) {
  if (fetch_site == "cross-site") {
    return absl::PermissionDeniedError("a page of another site has sent this: open the dashboard itself");
  }
  if (only_loopback_names && !IsLoopbackName(host)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "this coordinator asks nobody for a token and answers on this machine alone: open it as localhost, "
        "not as '",
        OneLine(std::string(host), kShownHostBytes), "'"));
  }
  return absl::OkStatus();
}

}  // namespace lwq::coordinator
