// lwq submit: uploads what runs need and hands them to a coordinator.
#include "client/run_file/run_flags.h"
#include "client/transfer/check_weights.h"
#include "client/transfer/fetch_export.h"
#include "client/verbs/preflight.h"
#include "client/verbs/verb.h"
#include "client/watch/run_views.h"
#include "client/watch/watch_runs.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"

namespace lwq::client {
namespace {

struct SubmitOptions {
  bool json = false;
  bool watch = false;
  ServerFlags server;
  std::shared_ptr<RunFlags> runs;
};

// Waits for the runs, fetches what is to be fetched; the exit code of the worst.
StatusOr<ExitCode> WatchAndFetch(const CliContext& context, const SubmitOptions& options, ServerConnection* connection,
                                 ObjectStore* objects, const std::vector<CheckedRun>& checked,
                                 std::vector<lwqat::v1::Run>* runs) {
  std::vector<std::string> ids;
  for (const lwqat::v1::Run& run : *runs) ids.push_back(run.id());
  const WatchStyle style = ChooseWatchStyle(*context.console, false);
  const bool lines_to_err = options.json && style == WatchStyle::kLines;
  const auto view = MakeRunView(lines_to_err ? WatchStyle::kNotes : style, context.console);
  LWQ_ASSIGN_OR_RETURN(*runs, WatchRuns(connection->api(), ids, view.get()));
  ExitCode code = ExitCode::kOk;
  for (size_t i = 0; i < runs->size(); ++i) {
    const lwqat::v1::Run& run = (*runs)[i];
    code = Worse(code, ExitCodeOf(run.state()));
    const std::string& directory = checked[i].request.save_quant_dir;
    if (run.state() != lwqat::v1::RUN_STATE_SUCCEEDED || directory.empty()) continue;
    LWQ_RETURN_IF_ERROR(FetchExport(run, objects, directory, context.console));
  }
  return code;
}

StatusOr<ExitCode> Submit(const CliContext& context, const SubmitOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<RunRequest> requests, LoadRuns(*options.runs));
  std::vector<CheckedRun> checked;
  for (const RunRequest& request : requests) {
    if (!request.save_quant_dir.empty() && !options.watch) {
      return absl::InvalidArgumentError(absl::StrCat(
          request.origin, ": save_quant_dir is filled when the run has ended; add --watch, or use lwq fetch later"));
    }
    LWQ_ASSIGN_OR_RETURN(CheckedRun run, CheckRunInputs(request));
    checked.push_back(std::move(run));
  }
  LWQ_ASSIGN_OR_RETURN(const auto connection,
                       ServerConnection::Open(context, options.server, ServerConnection::Makes::kStateDirectory));
  LWQ_RETURN_IF_ERROR(Preflight(connection->api(), checked));
  LWQ_RETURN_IF_ERROR(CheckWeights(checked, *context.interrupt));
  LWQ_ASSIGN_OR_RETURN(const auto objects, connection->OpenObjects());
  std::vector<lwqat::v1::Run> runs;
  UploadedTrees uploaded;
  for (const CheckedRun& run : checked) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::RunSpec spec, UploadRun(run, objects.get(), context.console, &uploaded));
    auto submitted = connection->api()->SubmitRun(spec, NewRequestId());
    if (!submitted.ok()) return Annotate(submitted.status(), run.request.origin);
    if (!options.json) context.console->Out(submitted->id());
    runs.push_back(*std::move(submitted));
  }
  ExitCode code = ExitCode::kOk;
  if (options.watch) {
    LWQ_ASSIGN_OR_RETURN(code, WatchAndFetch(context, options, connection.get(), objects.get(), checked, &runs));
  }
  if (options.json) {
    Json list = Json::array();
    for (const lwqat::v1::Run& run : runs) list.push_back(reporting::RunToJson(run));
    context.console->OutText(reporting::PrettyJson({{"runs", list}}));
  }
  return code;
}

}  // namespace

void AddSubmitVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* verb = AddVerb(root,
                           {"submit", "Upload and submit runs; prints their ids",
                            "lwq submit run.yaml --wbits 2 --coordinator node0:7070 --watch"},
                           &options->json);
  verb->add_flag("--watch", options->watch, "show progress and wait for the end");
  AddServerFlags(verb, &options->server);
  options->runs = AddRunFlags(verb, 1000);
  verb->callback([=, &context] { *action = [=, &context] { return Submit(context, *options); }; });
}

}  // namespace lwq::client
