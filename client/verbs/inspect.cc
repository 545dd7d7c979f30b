// SPDX-License-Identifier: Apache-2.0
// lwq inspect: what is in an exported model, and whether anything is wrong with it.
#include "common/export/inspect/inspect.h"
#include "client/render/inspection_text.h"
#include "client/verbs/verb.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct InspectOptions {
  bool json = false;
  std::string path;
};

StatusOr<ExitCode> Inspect(const CliContext& context, const InspectOptions& options) {
  const auto go_on = [&] { return context.interrupt->raised() ? context.interrupt->reason() : absl::OkStatus(); };
  const StatusOr<qat::Inspection> found = qat::InspectExport(options.path, go_on);
  if (!found.ok())
    return absl::IsCancelled(found.status()) ? found.status() : WithExit(found.status(), ExitCode::kUsage);
  context.console->OutText(options.json ? reporting::PrettyJson(InspectionToJson(*found)) : RenderInspection(*found));
  return found->sound() ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void AddInspectVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* verb =
      AddVerb(root, {"inspect", "Explain an exported model and verify it", "lwq inspect model-w2g128"}, &options->json);
  verb->add_option("PATH", options->path,
                   "the export's folder, or a GGUF or safetensors file; exit code 1 if it has faults")
      ->type_name("")
      ->required();
  verb->callback([=, &context] { *action = [=, &context] { return Inspect(context, *options); }; });
}

}  // namespace lwq::client
