// SPDX-License-Identifier: Apache-2.0
// A model's folder in Hugging Face layout, looked at as inspect.h says.
#pragma once

#include <functional>
#include <string>

#include "common/export/inspect/inspection.h"
#include "common/status/status.h"

namespace lwq::qat {

StatusOr<Inspection> InspectFolder(const std::string& folder, const std::function<Status()>& go_on);

}  // namespace lwq::qat
