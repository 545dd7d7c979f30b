// Names, glyphs and one-line facts of runs and tasks, for every view of them. Pure.
#pragma once

#include <optional>
#include <string>

#include "lwqat/v1/run.pb.h"

namespace lwq {

// "running", "succeeded", …
// "50000 tokens", and whether they begin with BOS where that is known.
std::string TokensText(const lwqat::v1::Perplexity& perplexity);

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

// A task that measures sensitivity: of a kind that does nothing else, or one of pilot's short trainings.
bool IsSensitivityTask(const lwqat::v1::Task& task);
// The task that quantizes a block, or a unit of blocks, stands for it.
bool IsBlockTask(const lwqat::v1::Task& task);

// The tasks that measure sensitivity, which are many and of interest only together.
struct TaskGroup {
  int total = 0;
  int done = 0;
  int running = 0;
  double seconds = 0;             // of those that are done, one after the other
  int64_t peak_memory_bytes = 0;  // the largest
};
TaskGroup SensitivityTasks(const lwqat::v1::Run& run);
// "sensitivity (fisher)".
std::string SensitivityLabel(const lwqat::v1::Run& run);
// "block 1 is the most sensitive (313.9), block 23 the least (1.078)"; "" without scores. Of later measurements only
// the first half: blocks that were trained before have none.
std::string ExtremesText(const lwqat::v1::Sensitivity& measured);

// Whether blocks are trained in another order than that of depth.
bool IsReordered(const lwqat::v1::Plan& plan);
// "1, 30, 0, 4"; what is beyond `most` is counted.
inline constexpr int kOrderListed = 32;
std::string OrderText(const lwqat::v1::Plan& plan, int most);

// Seconds from submission to the end, or to `now_unix_s` while it runs. 0 where the clocks disagree.
double ElapsedSeconds(const lwqat::v1::Run& run, double now_unix_s);

// Seconds of work left, from how long this run's finished tasks of each kind took and how many tasks run side by side;
// absent while nothing is known.
std::optional<double> EstimateSecondsLeft(const lwqat::v1::Run& run);

// What a pending run waits for, and where to look.
std::string WaitsForWorkerText();

// Tasks that will not change any more.
bool IsTerminal(lwqat::v1::TaskState state);

}  // namespace lwq
