// SPDX-License-Identifier: Apache-2.0
// The wall clock, for showing how long things took; nothing is decided by it.
#pragma once

namespace lwq::client {

double NowUnixSeconds();

}  // namespace lwq::client
