// SPDX-License-Identifier: Apache-2.0
// Hash maps and sets keyed by strings and searched by std::string_view. (Abseil's own transparent hash knows only its
// own string_view, which is another type in builds of Abseil for C++14, such as Debian's.)
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace lwq {

struct StringViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// The map owns its keys.
template <typename Value>
using StringMap = absl::flat_hash_map<std::string, Value, StringViewHash, std::equal_to<>>;
// The keys' memory must outlive the map.
template <typename Value>
using StringViewMap = absl::flat_hash_map<std::string_view, Value, StringViewHash, std::equal_to<>>;
using StringViewSet = absl::flat_hash_set<std::string_view, StringViewHash, std::equal_to<>>;

}  // namespace lwq
