// SPDX-License-Identifier: Apache-2.0
// lwq sweeps: the sweeps a coordinator knows, newest first, or the runs of one.
#include "client/render/sweep_list.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct SweepsOptions {
  bool json = false;
  ServerFlags server;
  std::string id;
  int limit = 50;
  std::string name;
};

StatusOr<ExitCode> Sweeps(const CliContext& context, const SweepsOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  if (!options.id.empty()) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Sweep sweep, connection->api()->GetSweep(options.id));
    context.console->OutText(options.json ? reporting::PrettyJson(SweepToJson(sweep)) : RenderSweep(sweep));
    return ExitCode::kOk;
  }
  LWQ_ASSIGN_OR_RETURN(const std::vector<lwqat::v1::Sweep> sweeps,
                       connection->api()->ListSweeps(options.limit, options.name));
  if (!options.json) {
    const bool none_matches = sweeps.empty() && !options.name.empty();
    context.console->OutText(none_matches ? "no sweep's name matches\n" : RenderSweepList(sweeps));
    return ExitCode::kOk;
  }
  Json list = Json::array();
  for (const lwqat::v1::Sweep& sweep : sweeps) list.push_back(SweepToJson(sweep));
  context.console->OutText(reporting::PrettyJson({{"sweeps", list}}));
  return ExitCode::kOk;
}

}  // namespace

void AddSweepsVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<SweepsOptions>();
  CLI::App* verb =
      AddVerb(root, {"sweeps", "List sweeps, newest first, or the runs of one", "lwq sweeps 91c2b479"}, &options->json);
  verb->add_option("SWEEP", options->id, kSweepIdHelp)->type_name("")->check(CheckRunId);
  verb->add_option("--limit", options->limit, "at most this many (default 50)")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  verb->add_option("--name", options->name, "only sweeps whose name matches: * is any text, ? one character")
      ->type_name("PATTERN");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Sweeps(context, *options); }; });
}

}  // namespace lwq::client
