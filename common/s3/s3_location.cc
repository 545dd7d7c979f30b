// SPDX-License-Identifier: Apache-2.0
#include "common/s3/s3_location.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include "common/http/percent.h"

namespace lwq {
namespace {

constexpr size_t kMaxPrefixBytes = 400;
constexpr std::string_view kOptions = "endpoint, region, path_style, ca, part_mib, parallel, conditional_writes";

Status BadUri(std::string_view uri, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("object store '", uri.substr(0, 300), "': ", reason));
}

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsBucketName(std::string_view name) {
  if (name.size() < 3 || name.size() > 63 || !IsAlphanumeric(name.front()) || !IsAlphanumeric(name.back()))
    return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.'; });
}

// What ValidateObjectKey says of keys, of a prefix: below it keys must stay portable.
bool IsPrefix(std::string_view prefix) {
  if (prefix.size() > kMaxPrefixBytes) return false;
  for (size_t begin = 0; begin <= prefix.size();) {
    const size_t end = std::min(prefix.find('/', begin), prefix.size());
    const std::string_view segment = prefix.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == ".." || segment.size() > 200) return false;
    for (const char c : segment) {
      if (!IsAlphanumeric(c) && !(c >= 'A' && c <= 'Z') && std::string_view("._=-").find(c) == std::string_view::npos) {
        return false;
      }
    }
    begin = end + 1;
  }
  return true;
}

bool IsRegion(std::string_view region) {
  return !region.empty() && region.size() <= 64 &&
         std::all_of(region.begin(), region.end(), [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_'; });
}

// http(s)://host[:port], where nothing else may stand.
bool IsEndpoint(std::string_view endpoint) {
  const size_t scheme = endpoint.starts_with("https://") ? 8 : endpoint.starts_with("http://") ? 7 : 0;
  if (scheme == 0) return false;
  const std::string_view host = endpoint.substr(scheme);
  if (host.empty() || host.size() > 255) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return IsAlphanumeric(c) || (c >= 'A' && c <= 'Z') || std::string_view(".-:[]").find(c) != std::string_view::npos;
  });
}

bool ParseBounded(std::string_view text, int lowest, int highest, int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= lowest && *value <= highest;
}

std::string FirstOf(const Environment& environment, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (std::optional<std::string> value = environment(name)) return *std::move(value);
  }
  return "";
}

// Takes `name` out of the options; `otherwise` where it is not there.
std::string TakeOption(std::map<std::string, std::string>& options, const std::string& name, std::string otherwise) {
  const auto at = options.find(name);
  if (at == options.end()) return otherwise;
  std::string value = std::move(at->second);
  options.erase(at);
  return value;
}

Status TakeChoices(std::string_view uri, std::map<std::string, std::string>& options, S3Location* location) {
  if (!ParseBounded(TakeOption(options, "part_mib", "8"), 5, 1024, &location->part_mib)) {
    return BadUri(uri, "part_mib must be a whole number from 5 to 1024");
  }
  if (!ParseBounded(TakeOption(options, "parallel", "4"), 1, 64, &location->parallel)) {
    return BadUri(uri, "parallel must be a whole number from 1 to 64");
  }
  const std::string style = TakeOption(options, "path_style", "");
  if (!style.empty() && style != "0" && style != "1") return BadUri(uri, "path_style must be 0 or 1");
  const bool has_dot = location->bucket.find('.') != std::string::npos;
  location->path_style = style.empty() ? !location->endpoint.empty() || has_dot : style == "1";
  const std::string conditional = TakeOption(options, "conditional_writes", "required");
  if (conditional != "required" && conditional != "emulated") {
    return BadUri(uri, "conditional_writes must be required or emulated");
  }
  location->emulate_conditions = conditional == "emulated";
  if (options.empty()) return absl::OkStatus();
  return BadUri(uri, absl::StrCat("unknown option '", options.begin()->first, "'; known: ", kOptions));
}

}  // namespace

std::optional<std::string> ProcessEnvironment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

std::string S3Location::Describe() const {
  return absl::StrCat(kS3Scheme, bucket, prefix.empty() ? "" : "/", prefix);
}

std::string S3Location::Host() const {
  const std::string_view host = std::string_view(endpoint).substr(endpoint.find("://") + 3);
  return path_style ? std::string(host) : absl::StrCat(bucket, ".", host);
}

std::string S3Location::FullKey(std::string_view key) const {
  return absl::StrCat(prefix, prefix.empty() || key.empty() ? "" : "/", key);
}

std::string S3Location::PathOf(std::string_view key) const {
  const std::string below = key.empty() ? "" : PercentEncodePath(FullKey(key));
  if (!path_style) return absl::StrCat("/", below);
  return absl::StrCat("/", bucket, below.empty() ? "" : "/", below);
}

std::string S3Location::UrlOf(std::string_view path) const {
  return absl::StrCat(endpoint.substr(0, endpoint.find("://") + 3), Host(), path);
}

StatusOr<S3Location> ParseS3Uri(std::string_view uri, const Environment& environment) {
  if (!uri.starts_with(kS3Scheme)) return BadUri(uri, "must begin with s3://");
  std::string_view rest = uri.substr(kS3Scheme.size());
  const size_t question = rest.find('?');
  const std::string_view query = question == std::string_view::npos ? "" : rest.substr(question + 1);
  rest = rest.substr(0, question);
  const StatusOr<std::map<std::string, std::string>> parsed = ParseQuery(query);
  if (!parsed.ok()) return BadUri(uri, MessageOf(parsed.status()));
  std::map<std::string, std::string> options = *parsed;

  S3Location location;
  const size_t slash = rest.find('/');
  location.bucket = std::string(rest.substr(0, slash));
  if (!IsBucketName(location.bucket)) {
    return BadUri(uri, "must name a bucket of 3 to 63 lower-case letters, digits, '-' and '.': s3://bucket/prefix");
  }
  if (slash != std::string_view::npos) location.prefix = std::string(rest.substr(slash + 1));
  if (location.prefix.ends_with('/')) location.prefix.pop_back();
  if (!location.prefix.empty() && !IsPrefix(location.prefix)) {
    return BadUri(uri, "the prefix may hold only A-Z a-z 0-9 . _ = - between single '/', at most 400 bytes");
  }
  location.region = TakeOption(options, "region", FirstOf(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}));
  if (location.region.empty()) location.region = "us-east-1";
  if (!IsRegion(location.region)) return BadUri(uri, "region must be a name such as eu-central-1");
  location.endpoint =
      TakeOption(options, "endpoint", FirstOf(environment, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}));
  if (location.endpoint.ends_with('/')) location.endpoint.pop_back();
  if (!location.endpoint.empty() && !IsEndpoint(location.endpoint)) {
    return BadUri(uri, "endpoint must be https://HOST[:PORT] or http://HOST[:PORT], without a path");
  }
  location.ca_file = TakeOption(options, "ca", FirstOf(environment, {"AWS_CA_BUNDLE"}));
  LWQ_RETURN_IF_ERROR(TakeChoices(uri, options, &location));
  if (location.endpoint.empty()) location.endpoint = absl::StrCat("https://s3.", location.region, ".amazonaws.com");
  return location;
}

}  // namespace lwq
