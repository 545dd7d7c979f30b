// SPDX-License-Identifier: Apache-2.0
// The command line: verbs, help, version, and how errors become one line and an exit code.
#pragma once

#include <string>
#include <vector>

#include "client/verbs/verb.h"

namespace lwq::client {

// `arguments` without the program's name. Errors go to the console as "lwq: message".
ExitCode RunCli(const std::vector<std::string>& arguments, const CliContext& context);

}  // namespace lwq::client
