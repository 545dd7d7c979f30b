// Names, glyphs and one-line facts of runs and tasks, for every view of them. Pure.
#pragma once

#include <optional>
#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq {

// "running", "succeeded", …
std::string RunStateName(lwqat::v1::RunState state);
std::string TaskStateName(lwqat::v1::TaskState state);

// One column: blocked, ready, leased, succeeded, reused (from_cache), failed, cancelled.
std::string TaskGlyph(const lwqat::v1::Task& task, bool utf8);

// The first 8 characters of a run's id.
std::string ShortId(const std::string& id);

// "loss 1.2e-04": the final validation loss where metrics have one, else the last training loss, else "".
std::string LossText(const lwqat::v1::Task& task);
// "3.1 s, peak 41.0 MiB, RSS 210 MiB", as far as known.
std::string CostText(const lwqat::v1::Task& task);

// Seconds from submission to the end, or to `now_unix_s` while it runs. 0 where the clocks disagree.
double ElapsedSeconds(const lwqat::v1::Run& run, double now_unix_s);

// Seconds of work left, from how long this run's finished tasks of each kind took and how many tasks run side by side;
// absent while nothing is known.
std::optional<double> EstimateSecondsLeft(const lwqat::v1::Run& run);

// Tasks that will not change any more.
bool IsTerminal(lwqat::v1::TaskState state);

}  // namespace lwq
