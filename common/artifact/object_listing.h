// SPDX-License-Identifier: Apache-2.0
// All objects of a store below a prefix, and the digests that their keys end with. Thread-safety: as the store.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest/digest.h"
#include "common/object_store/object_store.h"
#include "common/status/status.h"

namespace lwq {

inline constexpr std::string_view kBlobPrefix = "blobs/";
inline constexpr std::string_view kResultPrefix = "results/";

// visit(object) for each below the prefix, ascending by key, page by page. Errors: the store's.
Status ForEachObject(ObjectStore& store, std::string_view prefix,
                     const std::function<void(const ObjectInfo& object)>& visit);

// The digest that the key ends with; none unless key_of(digest), BlobKey or ResultKey, is the key.
std::optional<Digest> DigestOfKey(std::string_view key, std::string (*key_of)(const Digest& digest));

}  // namespace lwq
