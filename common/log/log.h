// SPDX-License-Identifier: Apache-2.0
// The daemons' log: one line per event on standard error, "time level component message key=value …".
//
// Libraries log through spdlog directly; InitLog is called once, by main. Thread-safety: any thread, after InitLog.
#pragma once

#include <string>

#include "common/status/status.h"

namespace lwq {

// `component` is the process's name in every line; `level` one of trace, debug, info, warn, error, off.
// INVALID_ARGUMENT for another level.
Status InitLog(const std::string& component, const std::string& level);

}  // namespace lwq
