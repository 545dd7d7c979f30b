// SPDX-License-Identifier: Apache-2.0
// lwq list: the runs a coordinator knows, newest first.
#include <map>

#include "absl/strings/str_join.h"
#include "client/base/clock.h"
#include "client/render/run_page.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

struct ListOptions {
  bool json = false;
  ServerFlags server;
  int limit = 50;
  std::vector<std::string> states;
  lwqat::v1::ListRunsRequest filter;
};

// "running" -> RUN_STATE_RUNNING, …: the words that the list shows.
std::map<std::string, lwqat::v1::RunState> StatesByWord() {
  std::map<std::string, lwqat::v1::RunState> states;
  for (int i = lwqat::v1::RunState_MIN + 1; i <= lwqat::v1::RunState_MAX; ++i) {
    const auto state = static_cast<lwqat::v1::RunState>(i);
    states[std::string(reporting::RunStateName(state))] = state;
  }
  return states;
}

StatusOr<ExitCode> List(const CliContext& context, const ListOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const std::vector<lwqat::v1::Run> runs,
                       connection->api()->ListRuns(options.limit, options.filter));
  if (!options.json) {
    const bool none_matches = runs.empty() && options.filter.ByteSizeLong() > 0;
    context.console->OutText(none_matches ? "no run matches; lwq list shows all\n"
                                          : RenderRunList(runs, NowUnixSeconds()));
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
  CLI::App* verb =
      AddVerb(root, {"list", "List runs, newest first", "lwq list --states running,pending"}, &options->json);
  verb->add_option("--limit", options->limit, "at most this many (default 50)")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  const std::map<std::string, lwqat::v1::RunState> states = StatesByWord();
  std::vector<std::string> words;
  for (const auto& [word, state] : states) words.push_back(word);
  verb->add_option("--states", options->states, absl::StrCat("only these: ", absl::StrJoin(words, ", ")))
      ->type_name("STATE,…")
      ->delimiter(',')
      ->check(CLI::IsMember(words));
  const auto text = [&](const std::string& flag, std::string* value, const std::string& type, const std::string& help) {
    verb->add_option(flag, *value, help)->type_name(type);
  };
  text("--name", options->filter.mutable_name(), "PATTERN",
       "only runs whose name matches: * is any text, ? one character");
  text("--project", options->filter.mutable_project(), "NAME", "only runs of this project");
  text("--sweep", options->filter.mutable_sweep_id(), "SWEEP", "only runs of this sweep");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] {
    options->filter.clear_states();
    for (const std::string& word : options->states) options->filter.add_states(states.at(word));
    *action = [=, &context] { return List(context, *options); };
  });
}

}  // namespace lwq::client
