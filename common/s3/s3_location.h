// SPDX-License-Identifier: Apache-2.0
// s3://BUCKET[/PREFIX][?NAME=VALUE&…]: where objects are, and how the server is spoken to.
//
//   endpoint=https://HOST[:PORT]   the server; without it AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's of the
//   region region=NAME                    without it AWS_REGION, AWS_DEFAULT_REGION, or us-east-1 path_style=1|0
//   whether the bucket stands in the path or in the host's name; without it in the path
//                                  where there is an endpoint or the bucket's name has a dot
//   ca=FILE                        PEM of those who may certify the server; without it AWS_CA_BUNDLE, or the system's
//   part_mib=N                     size of the parts that large objects are sent and read in, 5 to 1024; 8
//   parallel=N                     how many parts of one object are under way at once, 1 to 64; 4
//   conditional_writes=emulated    for a server that ignores `If-None-Match: *`: a put that must not replace looks
//   first
//                                  and reads back afterwards, so of two at the same instant the last one stays
//
// Values are percent-decoded. Credentials are no part of a URI (aws_credentials.h). Pure but for the environment that
// it is handed; thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/status/status.h"

namespace lwq {

inline constexpr std::string_view kS3Scheme = "s3://";

// A variable of the environment; none where it is unset or empty.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
std::optional<std::string> ProcessEnvironment(std::string_view name);

struct S3Location {
  std::string bucket;
  std::string prefix;    // "" or "a/b", without '/' at its ends
  std::string endpoint;  // "https://host:port"
  std::string region;
  bool path_style = true;
  std::string ca_file;
  int part_mib = 8;
  int parallel = 4;
  bool emulate_conditions = false;

  // "s3://bucket/prefix".
  std::string Describe() const;
  // Host and port that requests name.
  std::string Host() const;
  // The path of an object, or of the bucket for "": percent-encoded. `key` is below the prefix.
  std::string PathOf(std::string_view key) const;
  std::string UrlOf(std::string_view path) const;
  // prefix/key.
  std::string FullKey(std::string_view key) const;
};

// INVALID_ARGUMENT in one line that names the URI and what is wrong with it.
StatusOr<S3Location> ParseS3Uri(std::string_view uri, const Environment& environment);

}  // namespace lwq
