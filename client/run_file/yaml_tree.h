// SPDX-License-Identifier: Apache-2.0
// The part of YAML that a run file may use, as a tree with positions: mappings, lists and scalars of small depth.
//
// Anchors, aliases and tags are refused (a few lines of them can stand for gigabytes), as are several documents in one
// file. Pure. Errors: INVALID_ARGUMENT "name:line:column: what; what to do", counted from 1.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status/status.h"

namespace lwq::client {

inline constexpr size_t kMaxRunFileBytes = 1 << 20;
inline constexpr size_t kMaxRunFileDepth = 8;
inline constexpr size_t kMaxRunFileNodes = 10'000;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;     // of a scalar
  bool quoted = false;  // a scalar in quotes or a block scalar: certainly a text
  int line = 0;
  int column = 0;
  std::vector<YamlNode> items;  // of a list; of a map: key, value, key, value, …
};

// `what` names the text in messages. An empty document is kNull.
StatusOr<YamlNode> ParseYaml(std::string_view text, std::string_view what);

// "what:line:column".
std::string PlaceOf(std::string_view what, const YamlNode& node);
// "a list", "a mapping", "nothing", "\"text\"".
std::string DescribeNode(const YamlNode& node);

}  // namespace lwq::client
