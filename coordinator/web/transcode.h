// SPDX-License-Identifier: Apache-2.0
// Messages of the API between Protobuf's bytes and its JSON (protobuf.dev/programming-guides/json). Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "common/status/status.h"
#include "google/protobuf/descriptor.h"

namespace lwq::coordinator {

// INVALID_ARGUMENT: not JSON of the message, also where it has a field that the message lacks.
StatusOr<std::string> JsonToWire(const google::protobuf::Descriptor& type, std::string_view json);
// INTERNAL: not bytes of the message.
StatusOr<std::string> WireToJson(const google::protobuf::Descriptor& type, const std::string& bytes);

}  // namespace lwq::coordinator
