// SPDX-License-Identifier: Apache-2.0
// HOST:PORT as users write it: host names, IPv4, and IPv6 in brackets. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

struct HostPort {
  std::string host;  // with its brackets
  int port = 0;
};

// Port 0 lets a server choose one: only where `allow_any_port`. INVALID_ARGUMENT: "expected HOST:PORT, got …".
StatusOr<HostPort> ParseHostPort(std::string_view address, bool allow_any_port = false);

// Whether the host, as of HostPort, is this machine and reached by nobody else: localhost, 127.x.x.x, [::1].
bool IsLoopback(std::string_view host);

}  // namespace lwq
