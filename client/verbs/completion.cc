// SPDX-License-Identifier: Apache-2.0
// lwq completion: a script that teaches a shell the verbs and flags.
#include "client/render/completion_script.h"
#include "client/run_file/run_fields.h"
#include "client/verbs/run_options.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct CompletionOptions {
  bool json = false;
  std::string shell;
};

CompletionVerb DescribeVerb(const CLI::App& verb) {
  CompletionVerb described;
  described.name = verb.get_name();
  described.help = verb.get_description();
  if (described.name == "completion") described.words = {"bash", "zsh", "fish"};
  if (described.name == "token") described.words = {"create", "list", "revoke"};
  for (const CLI::Option* option : verb.get_options()) {
    const std::string& help = option->get_description();
    if (option->get_positional() && (help == kRunIdHelp || help == kRunOrSweepIdHelp)) described.ids_of = "list";
    if (option->get_positional() && help == kSweepIdHelp) described.ids_of = "sweeps";
    for (const std::string& name : option->get_lnames()) {
      CompletionFlag flag;
      flag.name = absl::StrCat("--", name);
      flag.help = option->get_description();
      flag.takes_value = option->get_items_expected_max() > 0;
      if (const RunField* field = FindRunField(name)) flag.choices = field->choices;
      described.flags.push_back(std::move(flag));
    }
  }
  return described;
}

StatusOr<ExitCode> Complete(const CLI::App& root, const CliContext& context, const CompletionOptions& options) {
  std::vector<CompletionVerb> verbs;
  for (const CLI::App* verb : root.get_subcommands(nullptr)) verbs.push_back(DescribeVerb(*verb));
  LWQ_ASSIGN_OR_RETURN(const std::string script, CompletionScript(options.shell, verbs));
  context.console->OutText(options.json ? reporting::PrettyJson({{"shell", options.shell}, {"script", script}})
                                        : script);
  return ExitCode::kOk;
}

}  // namespace

void AddCompletionVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<CompletionOptions>();
  CLI::App* verb = AddVerb(
      root, {"completion", "Print a completion script for a shell", "source <(lwq completion bash)"}, &options->json);
  verb->add_option("SHELL", options->shell, "bash, zsh or fish")->required()->type_name("");
  verb->callback([=, &context] { *action = [=, &context] { return Complete(*root, context, *options); }; });
}

}  // namespace lwq::client
