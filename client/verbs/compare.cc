// SPDX-License-Identifier: Apache-2.0
// lwq compare: every way of quantizing a model side by side, as one sweep on one calibration set, in one report.
#include "absl/strings/str_split.h"
#include "client/base/format.h"
#include "client/pipeline/submit_sweep.h"
#include "client/render/comparison_text.h"
#include "client/run_file/comparison_arms.h"
#include "client/run_file/comparison_file.h"
#include "client/run_file/run_flags.h"
#include "client/transfer/export_folder.h"
#include "client/transfer/fetch_export.h"
#include "client/verbs/local_session.h"
#include "reporting/files/page.h"
#include "reporting/files/runs_table.h"
#include "reporting/json_text.h"

namespace lwq::client {
namespace {

struct CompareOptions {
  bool json = false;
  bool quick = false;
  bool full = false;
  bool dry_run = false;
  bool local = false;
  std::string arms;    // "rtn,gptq"; "": all
  std::string output;  // a folder; "": named as the comparison is
  ServerFlags server;
  ClusterFlags cluster;
  std::shared_ptr<RunFlags> run;
};

StatusOr<ComparisonSize> SizeOf(const CompareOptions& options) {
  if (options.quick != options.full) return options.quick ? ComparisonSize::kQuick : ComparisonSize::kFull;
  return absl::InvalidArgumentError(
      "compare: give --quick (one width and seed, few windows) or --full (three seeds, 4, 3 and 2 bits), one of them");
}

StatusOr<std::string> FolderOf(const CompareOptions& options, const Comparison& comparison) {
  if (options.output.empty()) return FolderNameOf(comparison.name);
  if (options.output.find("://") == std::string::npos) return options.output;
  return absl::InvalidArgumentError(
      absl::StrCat("--output ", options.output, ": a report goes to a folder of this disk; give one"));
}

StatusOr<Runs> CompareRemotely(const CliContext& context, const CompareOptions& options, const SweepRuns& sweep) {
  Sources sources(SourceContextOf(context));
  RunPipeline pipeline(context.console, context.interrupt, &sources);
  LWQ_RETURN_IF_ERROR(pipeline.Check(sweep.requests));
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  PipelineOptions steps;
  steps.api = connection->api();
  steps.open_objects = [&] { return connection->OpenObjects(); };
  steps.submit = [&](const RunSpecs& specs) -> StatusOr<Runs> {
    LWQ_ASSIGN_OR_RETURN(SubmittedSweep submitted, SubmitSweepAgain(connection->api(), SpecOfSweep(sweep, specs)));
    context.console->Err(absl::StrCat("sweep ", submitted.id, " (", sweep.name, "): ", submitted.runs.size(), " runs"));
    return std::move(submitted.runs);
  };
  steps.watch = ChooseProgressStyle(*context.console, /*out_is_taken=*/true);
  auto runs = pipeline.Execute(steps);
  if (runs.ok() || ExitCodeOf(runs.status()) != ExitCode::kInterrupted) return runs;
  return WithExit(absl::CancelledError("interrupted; runs that were begun go on at the coordinator (lwq cancel stops a "
                                       "sweep), and the same command goes on with them"),
                  ExitCode::kInterrupted);
}

StatusOr<Runs> CompareLocally(const CliContext& context, const CompareOptions& options, const SweepRuns& sweep) {
  LocalSessionOptions session;
  session.state = options.server.state.empty() ? "lwq-state" : options.server.state;
  session.fetch = false;
  session.json = options.json;
  session.cluster = options.cluster;
  session.binary_directory = BinaryDirectory(context, options.server);
  LocalSweep local{0, sweep};
  local.sweep.requests.clear();
  return RunLocalSession(context, session, sweep.requests, {local});
}

std::string ArmOf(const SweepArm& arm) {
  for (const auto& [key, label] : arm.labels) {
    if (key == kArmKey) return label;
  }
  return "";
}

StatusOr<reporting::SweepReport> ReportOf(const reporting::SweepRuns& compared, const SweepRuns& sweep) {
  std::optional<size_t> baseline;
  for (size_t i = 0; i < sweep.arms.size() && !baseline.has_value(); ++i) {
    if (ArmOf(sweep.arms[i]) == kComparedWith) baseline = i;
  }
  return reporting::BuildSweepReport(compared, baseline);
}

struct ReportFile {
  std::string path;
  std::string content;
};

std::vector<ReportFile> FilesOf(const std::string& folder, const reporting::SweepRuns& compared,
                                const reporting::SweepReport& report) {
  const reporting::DataTable table = reporting::RunsTable(compared, report);
  Json json = reporting::SweepReportToJson(report);
  json["runs"] = reporting::RowsToJson(table);
  return {{absl::StrCat(folder, "/report.html"), reporting::RenderPage(compared, report)},
          {absl::StrCat(folder, "/report.json"), reporting::PrettyJson(json)},
          {absl::StrCat(folder, "/runs.csv"), reporting::ToCsv(table)}};
}

StatusOr<ExitCode> RunComparison(const CliContext& context, const CompareOptions& options) {
  LWQ_ASSIGN_OR_RETURN(const ComparisonSize size, SizeOf(options));
  LWQ_ASSIGN_OR_RETURN(const std::vector<RunRequest> requests, LoadRuns(*options.run));
  const std::vector<std::string> arms = absl::StrSplit(options.arms, ',', absl::SkipEmpty());
  LWQ_ASSIGN_OR_RETURN(const Comparison comparison, ComparisonOf(requests.front(), size, arms));
  for (const std::string& remark : comparison.remarks) context.console->Err(remark);
  LWQ_ASSIGN_OR_RETURN(const SweepRuns sweep, RunsOfComparison(comparison));
  for (const std::string& remark : sweep.remarks) context.console->Err(remark);
  if (options.dry_run) {
    context.console->OutText(
        options.json ? reporting::PrettyJson(
                           {{"name", comparison.name}, {"runs", sweep.arms.size()}, {"sweep_file", comparison.text}})
                     : comparison.text);
    return ExitCode::kOk;
  }
  LWQ_ASSIGN_OR_RETURN(const std::string folder, FolderOf(options, comparison));
  const std::string sweep_file = absl::StrCat(folder, "/sweep.yaml");
  LWQ_RETURN_IF_ERROR(Annotate(WriteReport(sweep_file, comparison.text), "--output"));

  const bool local =
      options.local || !options.server.state.empty() || CoordinatorAddress(context, options.server).empty();
  LWQ_ASSIGN_OR_RETURN(Runs runs,
                       local ? CompareLocally(context, options, sweep) : CompareRemotely(context, options, sweep));
  const ExitCode code = ExitCodeOf(runs);
  const std::string sweep_id = runs.front().sweep_id();
  reporting::SweepRuns compared{.name = comparison.name, .runs = {}};
  for (size_t i = 0; i < runs.size(); ++i) {
    compared.runs.push_back({std::move(runs[i]), {sweep.arms[i].labels.begin(), sweep.arms[i].labels.end()}});
  }
  LWQ_ASSIGN_OR_RETURN(const reporting::SweepReport report, ReportOf(compared, sweep));
  Json written = Json::array({sweep_file});
  for (const ReportFile& file : FilesOf(folder, compared, report)) {
    LWQ_RETURN_IF_ERROR(Annotate(WriteReport(file.path, file.content), "--output"));
    written.push_back(file.path);
  }
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"sweep_id", sweep_id},
                                                    {"name", comparison.name},
                                                    {"files", written},
                                                    {"report", reporting::SweepReportToJson(report)}}));
    return code;
  }
  context.console->OutText(RenderComparison(report));
  context.console->Err(absl::StrCat("report: ", folder, "/report.html"));
  return code;
}

}  // namespace

void AddCompareVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = AddVerb(root,
                           {"compare", "Quantize a model by every method, as one sweep, and report them side by side",
                            "lwq compare run.yaml --quick"},
                           &options->json);
  verb->add_flag("--quick", options->quick, "one width and seed, few windows, the first text: minutes");
  verb->add_flag("--full", options->full, "the run's width, else 4, 3 and 2 bits; three seeds; KL divergence, too");
  verb->add_option("--arms", options->arms, "only these, separated by commas: rtn,gptq,block_ap (default: all)")
      ->type_name("ARM,…");
  verb->add_flag("--dry-run", options->dry_run, "print the sweep file, to be edited and given to lwq sweep");
  verb->add_option("--output", options->output,
                   "folder of the report: report.html, report.json, runs.csv, sweep.yaml (default: named as the run)")
      ->type_name("DIR");
  verb->add_flag("--local", options->local, "start a cluster on this machine even where a coordinator is named");
  AddServerFlags(verb, &options->server);
  AddClusterFlags(verb, &options->cluster);
  options->run = AddRunFlags(verb, 1);
  verb->callback([=, &context] { *action = [=, &context] { return RunComparison(context, *options); }; });
}

}  // namespace lwq::client
