// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/object_listing.h"

namespace lwq {
namespace {

constexpr int kObjectsPerPage = 1000;

}  // namespace

Status ForEachObject(ObjectStore& store, std::string_view prefix,
                     const std::function<void(const ObjectInfo& object)>& visit) {
  std::string after;
  while (true) {
    LWQ_ASSIGN_OR_RETURN(const ListPage page, store.List(prefix, after, kObjectsPerPage));
    for (const ObjectInfo& object : page.objects) visit(object);
    if (!page.truncated || page.objects.empty()) return absl::OkStatus();
    after = page.objects.back().key;
  }
}

std::optional<Digest> DigestOfKey(std::string_view key, std::string (*key_of)(const Digest& digest)) {
  const StatusOr<Digest> digest = Digest::FromHex(key.substr(key.rfind('/') + 1));
  if (!digest.ok() || key_of(*digest) != key) return std::nullopt;
  return *digest;
}

}  // namespace lwq
