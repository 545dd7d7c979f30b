// SPDX-License-Identifier: Apache-2.0
// lwq list: the runs a coordinator knows, newest first.
#include "client/base/clock.h"
#include "client/render/run_page.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct ListOptions {
  bool json = false;
  ServerFlags server;
  int limit = 50;
};

StatusOr<ExitCode> List(const CliContext& context, const ListOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const std::vector<lwqat::v1::Run> runs, connection->api()->ListRuns(options.limit));
  if (!options.json) {
    context.console->OutText(RenderRunList(runs, NowUnixSeconds()));
    return ExitCode::kOk;
  }
  Json list = Json::array();
  for (const lwqat::v1::Run& run : runs) list.push_back(reporting::ToJson(run));
  context.console->OutText(reporting::PrettyJson({{"runs", list}}));
  return ExitCode::kOk;
}

}  // namespace

void AddListVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* verb = AddVerb(root, {"list", "List runs, newest first", "lwq list --limit 10"}, &options->json);
  verb->add_option("--limit", options->limit, "at most this many (default 50)")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return List(context, *options); }; });
}

}  // namespace lwq::client
