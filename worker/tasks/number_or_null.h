// SPDX-License-Identifier: Apache-2.0
// A number of a task's metrics: NaN and infinities, such as the loss of no validation samples, have no JSON form.
#pragma once

#include <cmath>

#include "common/json/json.h"

namespace lwq::worker {

inline Json NumberOrNull(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

}  // namespace lwq::worker
