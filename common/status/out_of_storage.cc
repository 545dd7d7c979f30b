// SPDX-License-Identifier: Apache-2.0
#include "common/status/out_of_storage.h"

#include "absl/strings/cord.h"

namespace lwq {
namespace {

constexpr char kPayloadUrl[] = "lwqat/out_of_storage";

}  // namespace

Status OutOfStorageError(std::string_view message) {
  Status status = absl::ResourceExhaustedError(absl::StrCat(message));
  status.SetPayload(kPayloadUrl, absl::Cord());
  return status;
}

bool IsOutOfStorage(const Status& status) {
  return absl::IsResourceExhausted(status) && status.GetPayload(kPayloadUrl).has_value();
}

}  // namespace lwq
