// SPDX-License-Identifier: Apache-2.0
#include "common/model/config_json.h"

#include <cmath>

namespace lwq::internal {

std::string Shown(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
}

const Json* Find(const Json& object, std::string_view key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Status NotSupported(std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrCat(kConfigFile, ": ", reason));
}

Status Impossible(std::string_view key, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat(kConfigFile, ": '", key, "' ", reason));
}

Status ReadSize(const Json& object, std::string_view key, int64_t max, int64_t& value) {
  LWQ_ASSIGN_OR_RETURN(const int64_t read, JsonInt(object, key, kConfigFile));
  if (read < 1 || read > max) return Impossible(key, absl::StrCat("is ", read, ", not within 1 to ", max));
  value = read;
  return absl::OkStatus();
}

Status ReadOptionalSize(const Json& object, std::string_view key, int64_t max, int64_t& value) {
  return Find(object, key) == nullptr ? absl::OkStatus() : ReadSize(object, key, max, value);
}

Status ReadPositive(const Json& object, std::string_view key, double& value) {
  LWQ_ASSIGN_OR_RETURN(const double read, JsonDouble(object, key, kConfigFile));
  if (!std::isfinite(read) || read <= 0) return Impossible(key, absl::StrCat("is ", read, ", not a positive number"));
  value = read;
  return absl::OkStatus();
}

Status ReadOptionalPositive(const Json& object, std::string_view key, double& value) {
  return Find(object, key) == nullptr ? absl::OkStatus() : ReadPositive(object, key, value);
}

Status ReadOptionalBool(const Json& object, std::string_view key, bool& value) {
  if (Find(object, key) == nullptr) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(value, JsonBool(object, key, kConfigFile));
  return absl::OkStatus();
}

}  // namespace lwq::internal
