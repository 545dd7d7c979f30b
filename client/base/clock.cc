// SPDX-License-Identifier: Apache-2.0
#include "client/base/clock.h"

#include <chrono>

namespace lwq::client {

double NowUnixSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace lwq::client
