// SPDX-License-Identifier: Apache-2.0
#include "common/object_store/uri_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "common/text/lower_case.h"
#include "common/text/one_line.h"

namespace lwq {
namespace {

constexpr size_t kShownBytes = 200;

std::string Shown(std::string_view text) {
  return OneLine(text, kShownBytes);
}

// Names under which clouds offer their metadata, beside their addresses.
bool IsMetadataName(std::string_view host) {
  for (const std::string_view name :
       {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}) {
    if (host == name) return true;
  }
  return false;
}

// 169.254.0.0/16; AWS' fd00:ec2::254 and Oracle's and Alibaba's 100.100.100.200, 192.0.0.192 beside it.
bool IsForbidden(const in_addr& address) {
  const uint32_t bits = ntohl(address.s_addr);
  return (bits >> 16) == 0xA9FE || bits == 0x646464C8 || bits == 0xC00000C0;
}
bool IsForbidden(const in6_addr& address) {
  if (IN6_IS_ADDR_LINKLOCAL(&address)) return true;
  if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address)) {
    in_addr inner{};
    std::copy(address.s6_addr + 12, address.s6_addr + 16, reinterpret_cast<uint8_t*>(&inner.s_addr));
    return IsForbidden(inner);
  }
  constexpr uint8_t kAws[16] = {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};
  return std::equal(std::begin(kAws), std::end(kAws), address.s6_addr);
}

// Of a host that is an address; none for a name. Also the odd forms of IPv4 that resolvers take: 0xa9fea9fe,
// 2852039166, 169.254.43518.
std::optional<bool> IsForbiddenAddress(std::string_view host) {
  const std::string bare(host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host);
  const std::string without_zone = bare.substr(0, bare.find('%'));
  in6_addr six{};
  if (inet_pton(AF_INET6, without_zone.c_str(), &six) == 1) return IsForbidden(six);
  in_addr four{};
  if (inet_aton(bare.c_str(), &four) != 0) return IsForbidden(four);
  return std::nullopt;
}

bool Matches(std::string_view host, std::string_view pattern) {
  if (!pattern.starts_with("*.")) return host == pattern;
  const std::string_view below = pattern.substr(1);
  return host.size() > below.size() && host.ends_with(below);
}

// HOST of HOST[:PORT], with the brackets of IPv6.
std::string_view HostOf(std::string_view authority) {
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

// What follows "://" up to the path, the query or the fragment.
std::string_view AuthorityOf(std::string_view rest) {
  return rest.substr(0, rest.find_first_of("/?#\\"));
}

}  // namespace

StatusOr<UriPolicy> UriPolicy::Of(UriPolicyOptions options) {
  for (std::string& host : options.allowed_hosts) {
    host = LowerCase(host);
    const std::string_view bare = std::string_view(host).starts_with("*.") ? std::string_view(host).substr(2) : host;
    if (bare.empty() || bare.find_first_of("*/ @?#") != std::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("allowed host '", Shown(host), "' must be a name, an address or *.DOMAIN"));
    }
  }
  for (std::string& root : options.allowed_roots) {
    std::error_code error;
    const std::filesystem::path path(root);
    if (!path.is_absolute()) {
      return absl::InvalidArgumentError(absl::StrCat("allowed root '", Shown(root), "' must be an absolute folder"));
    }
    root = std::filesystem::weakly_canonical(path, error).string();
    if (error) return absl::InvalidArgumentError(absl::StrCat("allowed root '", Shown(root), "': ", error.message()));
  }
  return UriPolicy(std::move(options));
}

Status UriPolicy::CheckHost(std::string_view host) const {
  std::string name = LowerCase(host);
  if (name.ends_with('.')) name.pop_back();
  if (name.empty()) return absl::PermissionDeniedError("a URI without a host leads nowhere");
  const std::optional<bool> forbidden = IsForbiddenAddress(name);
  if (forbidden.value_or(false) || IsMetadataName(name)) {
    return absl::PermissionDeniedError(
        absl::StrCat("host '", Shown(host), "' is link-local or a metadata service, which no URI may lead to"));
  }
  const auto& allowed = options_.allowed_hosts;
  const bool fits = allowed.empty() || std::any_of(allowed.begin(), allowed.end(),
                                                   [&](const std::string& pattern) { return Matches(name, pattern); });
  if (fits) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("host '", Shown(host), "' is not allowed: see --allow-host"));
}

Status UriPolicy::CheckSocketAddress(const sockaddr* address) const {
  bool forbidden = false;
  if (address->sa_family == AF_INET) {
    forbidden = IsForbidden(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  } else if (address->sa_family == AF_INET6) {
    forbidden = IsForbidden(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  } else {
    forbidden = true;
  }
  if (!forbidden) return absl::OkStatus();
  return absl::PermissionDeniedError("the host resolves to a link-local address or a metadata service");
}

Status UriPolicy::CheckPath(std::string_view path) const {
  if (options_.allowed_roots.empty()) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(std::filesystem::path(path), error);
  if (!error && real.is_absolute()) {
    for (const std::string& root : options_.allowed_roots) {
      const std::filesystem::path folder(root);
      const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), real.begin(), real.end());
      if (end == folder.end()) return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(
      absl::StrCat("path '", Shown(path), "' is outside the allowed folders: see --allow-root"));
}

Status UriPolicy::Check(std::string_view uri) const {
  if (uri == "memory:") return absl::OkStatus();
  const size_t colon = uri.find("://");
  const std::string scheme = LowerCase(uri.substr(0, std::min(colon, uri.size())));
  if (colon == std::string_view::npos) {
    return absl::PermissionDeniedError(absl::StrCat("'", Shown(uri), "' is no URI that may be opened"));
  }
  const std::string_view rest = uri.substr(colon + 3);
  if (scheme == "file") {
    const std::string_view path = rest.substr(0, rest.find('?'));
    return CheckPath(path);
  }
  if (scheme == "http" || scheme == "https") return CheckHost(HostOf(AuthorityOf(rest)));
  if (scheme != "s3" && scheme != "gs" && scheme != "hf") {
    return absl::PermissionDeniedError(absl::StrCat("scheme '", Shown(scheme), "' is not allowed"));
  }
  // Every endpoint that is named: a reader may take the first or the last.
  const size_t query = rest.find('?');
  std::string_view parameters = query == std::string_view::npos ? "" : rest.substr(query + 1);
  while (!parameters.empty()) {
    const std::string_view parameter = parameters.substr(0, parameters.find('&'));
    parameters.remove_prefix(std::min(parameters.size(), parameter.size() + 1));
    constexpr std::string_view kEndpoint = "endpoint=";
    if (!parameter.starts_with(kEndpoint)) continue;
    std::string_view endpoint = parameter.substr(kEndpoint.size());
    if (endpoint.find('%') != std::string_view::npos) {
      return absl::PermissionDeniedError("an endpoint that is percent-encoded cannot be checked: write it plainly");
    }
    if (const size_t scheme_end = endpoint.find("://"); scheme_end != std::string_view::npos) {
      endpoint.remove_prefix(scheme_end + 3);
    }
    LWQ_RETURN_IF_ERROR(CheckHost(HostOf(AuthorityOf(endpoint))));
  }
  return absl::OkStatus();
}

}  // namespace lwq
