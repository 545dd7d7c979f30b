// SPDX-License-Identifier: Apache-2.0
// Devices by name: "cpu" or "cuda:N".
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "common/status/status.h"

namespace lwq::qat {

// INVALID_ARGUMENT for another name; FAILED_PRECONDITION where LibTorch was built without CUDA, or has fewer devices.
StatusOr<at::Device> OpenDevice(const std::string& name);

}  // namespace lwq::qat
