// SPDX-License-Identifier: Apache-2.0
#include "client/verbs/cli.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "client/base/format.h"
#include "client/run_file/suggestion.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/lock_order_checks.h"

namespace lwq::client {
namespace {

constexpr char kExitCodes[] =
    "Exit codes: 0 ok, 1 a run failed or something went wrong, 2 bad input, 3 no coordinator answers, 4 cancelled, "
    "5 lwq fsck left damage, 130 Ctrl-C, 141 standard output was closed.\n"
    "\"lwq VERB --help\" shows a verb's flags and an example.";

ExitCode Fail(const CliContext& context, ExitCode code, std::string_view message) {
  context.console->ClearLive();
  context.console->Err(absl::StrCat("lwq: ", OneLine(message)));
  return code;
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

// What to say of an argument nobody knows.
std::string UnknownArgument(const CLI::App& app, const std::string& argument) {
  const std::string help = app.get_parent() == nullptr ? "lwq --help" : absl::StrCat("lwq ", app.get_name(), " --help");
  if (argument.size() > 1 && argument.starts_with('-')) {
    const std::string flag = argument.substr(0, argument.find('='));
    const std::string name = flag.starts_with("--") ? flag.substr(2) : flag.substr(1);
    return UnknownNameMessage(absl::StrCat("flag ", flag), LookUpUnknownName(name, FlagNames(app)), "--",
                              absl::StrCat(help, " lists the flags"));
  }
  if (app.get_parent() != nullptr)
    return absl::StrCat("unexpected argument \"", argument, "\"; ", help, " shows what it takes");
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands(nullptr)) verbs.push_back(verb->get_name());
  return UnknownNameMessage(absl::StrCat("verb \"", argument, "\""), {"", NearestName(argument, verbs)}, "",
                            absl::StrCat(help, " lists them"));
}

void AddVerbs(CLI::App* root, const CliContext& context, VerbAction* action) {
  AddLocalVerb(root, context, action);
  AddSubmitVerb(root, context, action);
  AddSweepVerb(root, context, action);
  AddTuneVerb(root, context, action);
  AddCompareVerb(root, context, action);
  AddPlanVerb(root, context, action);
  AddWatchVerb(root, context, action);
  AddTopVerb(root, context, action);
  AddListVerb(root, context, action);
  AddSweepsVerb(root, context, action);
  AddGetVerb(root, context, action);
  AddReportVerb(root, context, action);
  AddFetchVerb(root, context, action);
  AddInspectVerb(root, context, action);
  AddConvertVerb(root, context, action);
  AddSensitivityVerb(root, context, action);
  AddScheduleVerb(root, context, action);
  AddEvalVerb(root, context, action);
  AddTokenVerb(root, context, action);
  AddTokensVerb(root, context, action);
  AddLogsVerb(root, context, action);
  AddWhyVerb(root, context, action);
  AddExplainVerb(root, context, action);
  AddPauseVerb(root, context, action);
  AddResumeVerb(root, context, action);
  AddCancelVerb(root, context, action);
  AddDeleteVerb(root, context, action);
  AddGcVerb(root, context, action);
  AddFsckVerb(root, context, action);
  AddWorkersVerb(root, context, action);
  AddCompletionVerb(root, context, action);
}

ExitCode Dispatch(const std::vector<std::string>& arguments, const CliContext& context) {
  CLI::App root("lwq quantizes Llama-family models block by block, on this machine or on a cluster.", "lwq");
  root.footer(kExitCodes);
  root.set_version_flag("--version", absl::StrCat("lwq ", LWQ_VERSION));
  root.require_subcommand(0, 1);
  root.allow_extras();
  VerbAction action;
  AddVerbs(&root, context, &action);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // help or version
      std::ostringstream out;
      root.exit(error, out, out);
      context.console->OutText(out.str());
      return ExitCode::kOk;
    }
    // An unknown flag is the better explanation for whatever else is missing.
    for (const CLI::App* app : root.get_subcommands()) {
      const std::vector<std::string> unknown = app->remaining();
      if (!unknown.empty() && unknown.front().starts_with('-'))
        return Fail(context, ExitCode::kUsage, UnknownArgument(*app, unknown.front()));
    }
    return Fail(context, ExitCode::kUsage, error.what());
  }
  for (const CLI::App* verb : root.get_subcommands()) {
    if (!verb->remaining().empty())
      return Fail(context, ExitCode::kUsage, UnknownArgument(*verb, verb->remaining().front()));
  }
  if (!root.remaining().empty())
    return Fail(context, ExitCode::kUsage, UnknownArgument(root, root.remaining().front()));
  if (!action) {
    context.console->OutText(root.help());
    return Fail(context, ExitCode::kUsage, "no verb is given; lwq local --help shows the quickest way to start");
  }
  const StatusOr<ExitCode> ended = action();
  if (ended.ok()) return *ended;
  if (context.console->out_error() != 0) return ExitCode::kFailed;  // which ended the verb; RunCli tells of it
  return Fail(context, ExitCodeOf(ended.status()), MessageOf(ended.status()));
}

}  // namespace

ExitCode RunCli(const std::vector<std::string>& arguments, const CliContext& context) {
  SilenceLogs();
  SkipLockOrderChecks();
  context.console->OnOutError(
      [interrupt = context.interrupt] { interrupt->RaiseOnce(absl::AbortedError("standard output is gone")); });
  const ExitCode code = Dispatch(arguments, context);
  const int error = context.console->out_error();
  if (error == 0) return code;
  context.console->ClearLive();
  if (error == EPIPE) return ExitCode::kReaderGone;  // the reader has what it wanted
  return Fail(context, ExitCode::kFailed, absl::StrCat("cannot write standard output: ", std::strerror(error)));
}

}  // namespace lwq::client
