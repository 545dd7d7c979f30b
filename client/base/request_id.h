// SPDX-License-Identifier: Apache-2.0
// Request ids that follow from what is asked for: who asks the same again, from whatever machine and after whatever
// crash, sends the same id and finds what was begun.
#pragma once

#include <string>

#include "common/digest/digest.h"

namespace lwq::client {

// In the form of a UUID of RFC 9562 (version 8: nobody's scheme but ours), made of the digest's first bits. Pure.
std::string RequestIdFrom(const Digest& digest);

}  // namespace lwq::client
