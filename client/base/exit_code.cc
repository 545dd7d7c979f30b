// SPDX-License-Identifier: Apache-2.0
#include "client/base/exit_code.h"

#include <string>

#include "absl/strings/cord.h"

namespace lwq::client {
namespace {

constexpr char kPayload[] = "lwq/exit";

}  // namespace

Status WithExit(const Status& status, ExitCode code) {
  Status result = status;
  result.SetPayload(kPayload, absl::Cord(std::to_string(static_cast<int>(code))));
  return result;
}

ExitCode ExitCodeOf(const Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (const auto payload = status.GetPayload(kPayload)) {
    return static_cast<ExitCode>(std::stoi(std::string(*payload)));
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    default:
      return ExitCode::kFailed;
  }
}

ExitCode ExitCodeOf(lwqat::v1::RunState state) {
  if (state == lwqat::v1::RUN_STATE_FAILED) return ExitCode::kFailed;
  if (state == lwqat::v1::RUN_STATE_CANCELLED) return ExitCode::kCancelled;
  return ExitCode::kOk;
}

ExitCode ExitCodeOf(const std::vector<lwqat::v1::Run>& runs) {
  ExitCode code = ExitCode::kOk;
  for (const lwqat::v1::Run& run : runs) code = Worse(code, ExitCodeOf(run.state()));
  return code;
}

ExitCode Worse(ExitCode a, ExitCode b) {
  for (const ExitCode code :
       {ExitCode::kInterrupted, ExitCode::kUnreachable, ExitCode::kUsage, ExitCode::kFailed, ExitCode::kCancelled}) {
    if (a == code || b == code) return code;
  }
  return ExitCode::kOk;
}

}  // namespace lwq::client
