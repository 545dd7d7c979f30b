// SPDX-License-Identifier: Apache-2.0
// A message as bytes that name it: equal messages give equal bytes, maps included, which have no order of their own.
#pragma once

#include <string>

#include "google/protobuf/message_lite.h"

namespace lwq::client {

// Pure; thread-safe. Equal within one version of Protocol Buffers.
std::string DeterministicBytes(const google::protobuf::MessageLite& message);

}  // namespace lwq::client
