// SPDX-License-Identifier: Apache-2.0
// How lwq ends: the one table of exit codes, and how an error gets its code.
//
// Pure. An error's code comes from a payload set where the cause is known (WithExit), else from its status code:
// what the caller can mend by changing the input is 2, the rest is 1. Documented in docs/cli.md.
#pragma once

#include <vector>

#include "common/status/status.h"
#include "lwqat/v1/run.pb.h"

namespace lwq::client {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,       // a run failed, or anything else went wrong
  kUsage = 2,        // a flag, a file, a model or a recipe that cannot be used
  kUnreachable = 3,  // no coordinator answered
  kCancelled = 4,    // the run was cancelled
  kDamaged = 5,      // what should be stored is not, or not as it was
  kInterrupted = 130,
  kReaderGone = 141,  // of standard output, as "lwq list | head" has it; what a shell shows of tools that SIGPIPE ends
};

// The same error, to end with `code`.
Status WithExit(const Status& status, ExitCode code);
// kOk for an OK status.
ExitCode ExitCodeOf(const Status& status);
// How a verb that waited for a run ends. States that are not terminal are kOk.
ExitCode ExitCodeOf(lwqat::v1::RunState state);
// How a verb that waited for all of them ends: as the worst.
ExitCode ExitCodeOf(const std::vector<lwqat::v1::Run>& runs);
// The first of failed, cancelled, ok that applies to any of them.
ExitCode Worse(ExitCode a, ExitCode b);

}  // namespace lwq::client
