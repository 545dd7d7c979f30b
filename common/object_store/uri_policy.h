// SPDX-License-Identifier: Apache-2.0
// Where a URI that somebody else gave may lead: which hosts, and which folders. A worker obeys it for the object store
// that its coordinator names, and whoever opens a URI that a user wrote obeys it, so that neither reaches the metadata
// service of a cloud, other machines of the network, or files beside those that are meant.
//
// Link-local addresses, where metadata services are, are never allowed, by whichever name: a name is checked by
// CheckHost as it is written, and by CheckSocketAddress when it has been resolved and before it is connected to, since
// what a name resolves to may change in between. Pure but for links: CheckPath asks the file system where a path leads.
// Errors: PERMISSION_DENIED in one line that says what would have to be allowed. Thread-safety: a value.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/status/status.h"

namespace lwq {

struct UriPolicyOptions {
  // HOST, or *.DOMAIN for every name below it; a port is not looked at. Empty: every host but link-local ones.
  std::vector<std::string> allowed_hosts;
  // Absolute folders. Empty: every path.
  std::vector<std::string> allowed_roots;
};

class UriPolicy {
 public:
  // INVALID_ARGUMENT: a pattern or a root that is none.
  static StatusOr<UriPolicy> Of(UriPolicyOptions options);

  // Of file:///… the path, of s3:// and http(s):// the host and that of "endpoint=" in the query. memory: is allowed,
  // and a scheme that is not known is refused.
  Status Check(std::string_view uri) const;
  Status CheckHost(std::string_view host) const;
  // The path is taken as it is after links and ".." are resolved, as far as it exists.
  Status CheckPath(std::string_view path) const;
  // An address that a host name was resolved to.
  Status CheckSocketAddress(const sockaddr* address) const;

 private:
  explicit UriPolicy(UriPolicyOptions options) : options_(std::move(options)) {}
  UriPolicyOptions options_;
};

}  // namespace lwq
