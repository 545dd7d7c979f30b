// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/address.h"

#include <arpa/inet.h>

#include <charconv>

#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr int kMaxPort = 65535;
constexpr size_t kShownBytes = 100;

bool IsHost(std::string_view host) {
  if (host.empty() || host.find_first_of(" /") != std::string_view::npos) return false;
  const bool has_colon = host.find(':') != std::string_view::npos;
  return !has_colon || (host.front() == '[' && host.back() == ']');
}

}  // namespace

StatusOr<HostPort> ParseHostPort(std::string_view address, bool allow_any_port) {
  const size_t colon = address.rfind(':');
  if (colon != std::string_view::npos && IsHost(address.substr(0, colon))) {
    const char* end = address.data() + address.size();
    int port = -1;
    const auto [stop, error] = std::from_chars(address.data() + colon + 1, end, port);
    const bool is_whole = error == std::errc() && stop == end;
    if (is_whole && port >= (allow_any_port ? 0 : 1) && port <= kMaxPort) {
      return HostPort{std::string(address.substr(0, colon)), port};
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("expected HOST:PORT, got \"", OneLine(address, kShownBytes), "\""));
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace lwq
