// SPDX-License-Identifier: Apache-2.0
// RESOURCE_EXHAUSTED for want of disk space, quota or file descriptors, told apart from want of memory: more memory or
// a smaller batch would not help, another machine or a later time may.
//
// The mark is a payload, so it survives Annotate and copies. Pure.
#pragma once

#include <string_view>

#include "common/status/status.h"

namespace lwq {

Status OutOfStorageError(std::string_view message);
bool IsOutOfStorage(const Status& status);

}  // namespace lwq
