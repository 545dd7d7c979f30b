// SPDX-License-Identifier: Apache-2.0
// Glyphs and one-line facts of runs and tasks, for every view of them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lwqat/v1/run.pb.h"

namespace lwq::client {

// "2.3457"; "0.6543 +/- 0.0123" of a metric with a standard error; "0.000231 +/- 0.000012" of one that may be small.
std::string ValueText(std::string_view metric, double value, std::optional<double> standard_error);
std::string ValueText(const lwqat::v1::Measured& measured);
// "50000 tokens", and whether they begin with BOS where that is known.
std::string CountText(const lwqat::v1::Measured& measured);

// One column: blocked, ready, leased, succeeded, reused (from_cache), failed, cancelled.
std::string TaskGlyph(const lwqat::v1::Task& task, bool utf8);

// "loss 1.2e-04": the final validation loss where metrics have one, else the last training loss, else "".
std::string LossText(const lwqat::v1::Task& task);
// "3.1 s, peak 41.0 MiB, RSS 210 MiB", as far as known.
std::string CostText(const lwqat::v1::Task& task);

// "sensitivity (fisher)".
std::string SensitivityLabel(const lwqat::v1::Run& run);
// "block 1 is the most sensitive (313.9), block 23 the least (1.078)"; "" without scores. Of later measurements only
// the first half: blocks that were trained before have none.
std::string ExtremesText(const lwqat::v1::Sensitivity& measured);

// "1, 30, 0, 4"; what is beyond `most` is counted.
inline constexpr int kOrderListed = 32;
std::string OrderText(const lwqat::v1::Plan& plan, int most);

// "2026-11-30 05:12:58 UTC".
std::string TimeText(const google::protobuf::Timestamp& time);

// What a pending run waits for, and where to look.
std::string WaitsForWorkerText();

}  // namespace lwq::client
