// SPDX-License-Identifier: Apache-2.0
// A GGUF file of a Llama-family model, looked at as inspect.h says: the keys that llama.cpp reads, among them those
// whose absence it does not say, and every tensor.
#pragma once

#include <functional>
#include <string>

#include "common/export/inspect/inspection.h"
#include "common/status/status.h"

namespace lwq::qat {

StatusOr<Inspection> InspectGguf(const std::string& path, const std::function<Status()>& go_on);

}  // namespace lwq::qat
