// SPDX-License-Identifier: Apache-2.0
// The part of YAML that run files and sweep files may use, as a tree with positions: mappings, lists and scalars of
// small depth.
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

inline constexpr size_t kMaxYamlBytes = 1 << 20;

// What a kind of file may be.
struct YamlLimits {
  const char* kind;    // what messages call it
  const char* what;    // and what it holds
  const char* advice;  // what to do about a file that is too large
  size_t max_depth = 8;
  size_t max_nodes = 10'000;
};
inline constexpr YamlLimits kRunFileLimits = {"run file", "run", "a run file has one key per line"};
inline constexpr YamlLimits kSweepFileLimits = {"sweep file", "sweep", "split the sweep", 24, 50'000};

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
StatusOr<YamlNode> ParseYaml(std::string_view text, std::string_view what, const YamlLimits& limits = kRunFileLimits);

struct YamlEntry {
  const YamlNode* key;  // a scalar
  const YamlNode* value;
};

// Of a mapping, in order. Refused: a node that is none, a key that is no scalar, a key that is given twice. `map` must
// outlive them.
StatusOr<std::vector<YamlEntry>> EntriesOf(std::string_view what, const YamlNode& map);

// "what:line:column".
std::string PlaceOf(std::string_view what, const YamlNode& node);
// "a list", "a mapping", "nothing", "\"text\"".
std::string DescribeNode(const YamlNode& node);

}  // namespace lwq::client
