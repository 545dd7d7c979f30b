// The wall clock, for showing how long things took; nothing is decided by it.
#pragma once

namespace lwq {

double NowUnixSeconds();

}  // namespace lwq
