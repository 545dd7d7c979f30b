// SPDX-License-Identifier: Apache-2.0
// lwq explain: where the tasks of two runs part, and by which fields.
#include "client/base/format.h"
#include "client/verbs/run_options.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct ExplainOptions {
  bool json = false;
  ServerFlags server;
  std::string a, b;
};

std::string Side(const std::string& value) {
  return value.empty() ? "absent" : OneLine(value);
}

Json ExplanationToJson(const lwqat::v1::ExplainRunsResponse& explanation) {
  Json json = {{"tasks_a", explanation.tasks_a()}, {"tasks_b", explanation.tasks_b()},
               {"shared", explanation.shared()},   {"following", explanation.following()},
               {"partings", Json::array()},        {"only_a", Json::array()},
               {"only_b", Json::array()}};
  for (const auto& parting : explanation.partings()) {
    Json fields = Json::array();
    for (const auto& field : parting.fields()) {
      fields.push_back({{"name", field.name()}, {"a", field.a()}, {"b", field.b()}});
    }
    json["partings"].push_back({{"title", parting.title()}, {"fields", std::move(fields)}});
  }
  for (const std::string& title : explanation.only_a()) json["only_a"].push_back(title);
  for (const std::string& title : explanation.only_b()) json["only_b"].push_back(title);
  return json;
}

void Print(Console* console, const lwqat::v1::ExplainRunsResponse& explanation) {
  console->Out(absl::StrCat(explanation.shared(), " tasks are the same, of ", explanation.tasks_a(), " and ",
                            explanation.tasks_b()));
  for (const auto& parting : explanation.partings()) {
    console->Out(absl::StrCat(OneLine(parting.title()), ":"));
    for (const auto& field : parting.fields()) {
      console->Out(absl::StrCat("  ", field.name(), ": ", Side(field.a()), " and ", Side(field.b())));
    }
  }
  if (explanation.following() > 0) {
    console->Out(absl::StrCat(explanation.following(), " tasks differ only by what they read of these"));
  }
  for (const std::string& title : explanation.only_a()) console->Out(absl::StrCat("only the first: ", OneLine(title)));
  for (const std::string& title : explanation.only_b()) console->Out(absl::StrCat("only the second: ", OneLine(title)));
}

StatusOr<ExitCode> Explain(const CliContext& context, const ExplainOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::ExplainRunsResponse explanation,
                       connection->api()->ExplainRuns(options.a, options.b));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(ExplanationToJson(explanation)));
  } else {
    Print(context.console, explanation);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddExplainVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* verb = AddVerb(root,
                           {"explain", "Why two runs share some tasks and not others: which fields differ first",
                            "lwq explain 3f2a9c1e 77b01d9a"},
                           &options->json);
  verb->add_option("A", options->a, kRunIdHelp)->required()->type_name("")->check(CheckRunId);
  verb->add_option("B", options->b, kRunIdHelp)->required()->type_name("")->check(CheckRunId);
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return Explain(context, *options); }; });
}

}  // namespace lwq::client
