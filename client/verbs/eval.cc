// SPDX-License-Identifier: Apache-2.0
// lwq eval: perplexity of a model as it is: full precision, or an exported directory.
#include "client/base/clock.h"
#include "client/pipeline/run_pipeline.h"
#include "client/render/evaluation_text.h"
#include "client/run_file/run_flags.h"
#include "client/verbs/local_session.h"
#include "reporting/json_text.h"
#include "reporting/recipe_words.h"

namespace lwq::client {
namespace {

struct EvalOptions {
  bool json = false;
  bool local = false;
  ServerFlags server;
  ClusterFlags cluster;
  std::shared_ptr<RunFlags> runs;
};

StatusOr<lwqat::v1::Run> EvaluateRemotely(const CliContext& context, const EvalOptions& options,
                                          const RunRequest& request) {
  Sources sources(SourceContextOf(context));
  RunPipeline pipeline(context.console, context.interrupt, &sources);
  LWQ_RETURN_IF_ERROR(pipeline.Check({request}));
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  PipelineOptions steps;
  steps.api = connection->api();
  steps.open_objects = [&] { return connection->OpenObjects(); };
  steps.submit = [&](const RunSpecs& specs) { return SubmitAnew(connection->api(), specs); };
  steps.watch = ChooseProgressStyle(*context.console, /*out_is_taken=*/true);
  LWQ_ASSIGN_OR_RETURN(const Runs runs, pipeline.Execute(steps));
  return runs.front();
}

StatusOr<lwqat::v1::Run> EvaluateLocally(const CliContext& context, const EvalOptions& options,
                                         const RunRequest& request) {
  LocalSessionOptions session;
  session.state = options.server.state;
  session.fetch = false;
  session.json = options.json;
  session.cluster = options.cluster;
  session.binary_directory = BinaryDirectory(context, options.server);
  LWQ_ASSIGN_OR_RETURN(const Runs runs, RunLocalSession(context, session, {request}));
  return runs.front();
}

StatusOr<ExitCode> Eval(const CliContext& context, const EvalOptions& options) {
  RunRequest request;
  LWQ_RETURN_IF_ERROR(ApplyFlags(*options.runs, &request));
  lwqat::v1::Recipe* recipe = request.spec.mutable_recipe();
  if (recipe->has_method() && reporting::MethodOf(*recipe) != Method::kNone) {
    return absl::InvalidArgumentError(
        absl::StrCat("--method: lwq eval quantizes nothing, got \"", recipe->method(), "\"; use lwq submit"));
  }
  recipe->set_method(std::string(WordOf(Method::kNone)));
  recipe->set_export_format(std::string(WordOf(ExportFormat::kNone)));
  recipe->set_eval_ppl(true);
  LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  const bool local =
      options.local || !options.server.state.empty() || CoordinatorAddress(context, options.server).empty();
  LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Run run, local ? EvaluateLocally(context, options, request)
                                                       : EvaluateRemotely(context, options, request));
  if (!run.error().empty()) context.console->Err(absl::StrCat("lwq: ", run.error()));
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(reporting::ToJson(run)));
  } else {
    context.console->OutText(RenderEvaluation(run));
  }
  return ExitCodeOf(run.state());
}

}  // namespace

void AddEvalVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* verb = AddVerb(root,
                           {"eval", "Measure the perplexity of a model or an exported directory as it is",
                            "lwq eval --model exports/tiny-w2 --eval_texts held-out.txt"},
                           &options->json);
  verb->add_flag("--local", options->local, "start a cluster on this machine even where a coordinator is named");
  AddServerFlags(verb, &options->server);
  AddClusterFlags(verb, &options->cluster);
  options->runs = AddRunFlags(verb, 0);
  verb->callback([=, &context] { *action = [=, &context] { return Eval(context, *options); }; });
}

}  // namespace lwq::client
