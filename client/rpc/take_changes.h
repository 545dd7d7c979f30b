// SPDX-License-Identifier: Apache-2.0
// The receiving half of a watch stream of changes. Pure; thread-safe.
#pragma once

#include "lwqat/v1/run_service.pb.h"

namespace lwq::client {

// Makes `run` what the message says: the whole run, or `run` as it was with the changes in it. Takes the message apart.
void TakeChanges(lwqat::v1::WatchRunResponse& message, lwqat::v1::Run* run);

}  // namespace lwq::client
