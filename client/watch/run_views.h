// SPDX-License-Identifier: Apache-2.0
// The ways to show runs while they are watched: redrawn in place, line by line, as JSON, or not at all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/base/console.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {

enum class WatchStyle {
  kTerminal,  // frames in the console's live region; the last one stays
  kLines,     // one line per change on standard output
  kNotes,     // the same on standard error (standard output is for the result)
  kJson,      // one run per line as JSON on standard output
};

// kJson when asked for, frames when both streams are terminals, else lines.
WatchStyle ChooseWatchStyle(const Console& console, bool json);

// For runs that are waited for on the way to a result: frames, or else lines, which leave standard output to the result
// where it has one.
WatchStyle ChooseProgressStyle(const Console& console, bool out_is_taken);

// What a view says when the coordinator stops answering (false) and answers again.
std::string ConnectionNote(bool connected);

// The console must outlive the view.
std::unique_ptr<RunView> MakeRunView(WatchStyle style, Console* console);

// For more runs than kRunsShownWhole: counts, a line for each run that is on, and a line that stays for each
// that has ended. kJson is as above.
std::unique_ptr<RunView> MakeManyRunsView(WatchStyle style, Console* console);

}  // namespace lwq::client
