// SPDX-License-Identifier: Apache-2.0
// lwq logs: what a run's tasks and their workers said.
#include "absl/time/time.h"
#include "client/base/format.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

struct LogsOptions : RunIdOptions {
  bool follow = false;
  std::string task;        // only lines of this task; "": of all
  std::string title_head;  // only lines of tasks whose title starts so
};

constexpr int kLinesPerCall = 1000;
constexpr std::chrono::milliseconds kFollowEvery{500};

std::string LogText(const lwqat::v1::LogLine& line) {
  const absl::Time at = absl::FromUnixMillis(line.time_unix_ms());
  const std::string worker = line.worker().empty() ? "" : absl::StrCat("  ", line.worker());
  const std::string attempt = line.attempt() > 1 ? absl::StrCat(" (attempt ", line.attempt(), ")") : "";
  const std::string task = line.task().empty() ? "" : absl::StrCat("  ", line.task(), attempt);
  return absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", at, absl::UTCTimeZone()), task, worker, "  ",
                      OneLine(line.text()));
}

// Prints the lines after `after` and moves it on.
Status PrintNew(const CliContext& context, const LogsOptions& options, RunApi* api, int64_t* after) {
  while (true) {
    LWQ_ASSIGN_OR_RETURN(const auto page,
                         api->GetRunLogs(options.run_ids.front(), options.task, *after, kLinesPerCall));
    for (const auto& line : page.lines()) {
      *after = std::max(*after, line.sequence());
      if (!line.task().starts_with(options.title_head)) continue;
      context.console->Out(options.json ? reporting::JsonLine(line) : LogText(line));
    }
    if (!page.more() || page.lines().empty()) return absl::OkStatus();
  }
}

StatusOr<ExitCode> Logs(const CliContext& context, const LogsOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  int64_t after = 0;
  while (true) {
    bool ended = true;
    if (options.follow) {  // asked before the lines, so that none written until the end is missed
      LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, connection->api()->GetRun(options.run_ids.front()));
      ended = reporting::HasEnded(run);
    }
    LWQ_RETURN_IF_ERROR(PrintNew(context, options, connection->api(), &after));
    if (ended) return ExitCode::kOk;
    if (context.interrupt->WaitFor(kFollowEvery)) return context.interrupt->reason();
  }
}

}  // namespace

void AddLogsVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<LogsOptions>();
  CLI::App* verb =
      AddVerb(root, {"logs", "Print a run's log lines, oldest first", "lwq logs 3f2a9c1e 'train block 3' --follow"},
              &options->json);
  AddRunId(verb, &options->run_ids);
  verb->add_option("TASK", options->task,
                   "only lines of this task: its title, a part of exactly one title, or the first digits of its key")
      ->type_name("")
      ->check(CheckRunId);
  verb->add_flag("--follow", options->follow, "go on until the run ends");
  verb->add_option("--task", options->title_head, "only lines of tasks whose title starts so")->type_name("TITLE");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Logs(context, *options); }; });
}

}  // namespace lwq::client
