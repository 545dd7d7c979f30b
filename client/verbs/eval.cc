// SPDX-License-Identifier: Apache-2.0
// lwq eval: perplexity and zero-shot accuracies of a model as it is: full precision, or an exported directory.
#include "absl/strings/str_split.h"
#include "client/base/clock.h"
#include "client/base/format.h"
#include "client/pipeline/run_pipeline.h"
#include "client/render/evaluation_text.h"
#include "client/run_file/run_fields.h"
#include "client/run_file/run_flags.h"
#include "client/transfer/request_lines.h"
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
  std::string tasks;          // "piqa=FILE,arc_easy=FILE"
  std::string dump_requests;  // "": to nowhere
  std::shared_ptr<RunFlags> runs;

  std::function<Status(const lwqat::v1::Run&, ObjectStore*)> also_fetch() const {
    if (dump_requests.empty()) return nullptr;
    return [path = dump_requests](const lwqat::v1::Run& run, ObjectStore* objects) {
      return FetchRequestLines(run, objects, path);
    };
  }
};

// "TASK=FILE,TASK=FILE" takes the place of eval_tasks.
Status ApplyTasks(const std::string& tasks, RunRequest* request) {
  if (tasks.empty()) return absl::OkStatus();
  const RunField& field = *FindRunField("eval_tasks");
  ClearRunField(field, request);
  for (const std::string& task : std::vector<std::string>(absl::StrSplit(tasks, ','))) {
    const Status status = SetRunField(field, task, request);
    if (!status.ok())
      return absl::InvalidArgumentError(
          absl::StrCat("--tasks: expected TASK=FILE,TASK=FILE, got \"", OneLine(tasks), "\""));
  }
  return absl::OkStatus();
}

Status CheckDump(const EvalOptions& options, const RunRequest& request) {
  if (options.dump_requests.empty()) return absl::OkStatus();
  if (request.eval_tasks.empty()) {
    return absl::InvalidArgumentError("--dump-requests: there are no requests without a task; give one with --tasks");
  }
  return Annotate(CheckLinesPlace(options.dump_requests), "--dump-requests");
}

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
  steps.also_fetch = options.also_fetch();
  steps.watch = ChooseProgressStyle(*context.console, /*out_is_taken=*/true);
  LWQ_ASSIGN_OR_RETURN(const Runs runs, pipeline.Execute(steps));
  return runs.front();
}

StatusOr<lwqat::v1::Run> EvaluateLocally(const CliContext& context, const EvalOptions& options,
                                         const RunRequest& request) {
  LocalSessionOptions session;
  session.state = options.server.state;
  session.fetch = false;
  session.also_fetch = options.also_fetch();
  session.json = options.json;
  session.cluster = options.cluster;
  session.binary_directory = BinaryDirectory(context, options.server);
  LWQ_ASSIGN_OR_RETURN(const Runs runs, RunLocalSession(context, session, {request}));
  return runs.front();
}

StatusOr<ExitCode> Eval(const CliContext& context, const EvalOptions& options) {
  RunRequest request;
  LWQ_RETURN_IF_ERROR(ApplyFlags(*options.runs, &request));
  LWQ_RETURN_IF_ERROR(ApplyTasks(options.tasks, &request));
  lwqat::v1::Recipe* recipe = request.spec.mutable_recipe();
  if (recipe->has_method() && reporting::MethodOf(*recipe) != Method::kNone) {
    return absl::InvalidArgumentError(
        absl::StrCat("--method: lwq eval quantizes nothing, got \"", recipe->method(), "\"; use lwq submit"));
  }
  recipe->set_method(std::string(WordOf(Method::kNone)));
  recipe->set_export_format(std::string(WordOf(ExportFormat::kNone)));
  recipe->set_eval_ppl(request.eval_tasks.empty() || !request.eval_texts.empty());
  LWQ_RETURN_IF_ERROR(CompleteRunRequest(&request));
  LWQ_RETURN_IF_ERROR(CheckDump(options, request));
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
  CLI::App* verb =
      AddVerb(root,
              {"eval", "Measure perplexities and zero-shot accuracies of a model or an exported directory as it is",
               "lwq eval --model exports/tiny-w2 --eval_texts held-out.txt"},
              &options->json);
  verb->add_flag("--local", options->local, "start a cluster on this machine even where a coordinator is named");
  verb->add_option("--tasks", options->tasks,
                   "zero-shot tasks in place of --eval_tasks, separated by commas: piqa=FILE,arc_easy=FILE")
      ->type_name("TASK=FILE,…");
  verb->add_option("--dump-requests", options->dump_requests,
                   "a line of JSON for each request of the tasks: token ids, log-likelihood")
      ->type_name("FILE");
  AddServerFlags(verb, &options->server);
  AddClusterFlags(verb, &options->cluster);
  options->runs = AddRunFlags(verb, 0);
  verb->callback([=, &context] { *action = [=, &context] { return Eval(context, *options); }; });
}

}  // namespace lwq::client
