// SPDX-License-Identifier: Apache-2.0
// lwq report: runs side by side, or one by itself, as a table, or as files: a page with plots, and the data for other
// programs.
#include "reporting/report.h"

#include <algorithm>
#include <filesystem>

#include "client/base/clock.h"
#include "client/render/report_text.h"
#include "client/render/run_summary.h"
#include "client/transfer/export_folder.h"
#include "client/verbs/run_options.h"
#include "reporting/files/page.h"
#include "reporting/files/parquet.h"
#include "reporting/files/run_page.h"
#include "reporting/files/run_report.h"
#include "reporting/files/runs_table.h"
#include "reporting/json_text.h"
#include "reporting/run_facts.h"
#include "reporting/sweep/sweep_report.h"
#include "reporting/trackers/mlflow.h"
#include "reporting/trackers/tensorboard.h"
#include "reporting/trackers/tracked_run.h"
#include "reporting/trackers/wandb.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;

// As many as a coordinator is asked for at once when runs are looked for by name.
constexpr int kMostListed = 100'000;

// What `--output` names by itself.
constexpr char kPageInFolder[] = "/report.html";
constexpr char kJsonInFolder[] = "/report.json";

struct ReportOptions : RunIdOptions {
  std::string matching;
  std::string sweep;
  std::string title;
  std::string baseline;
  std::string output;
  std::string html;
  std::string csv;
  std::string json_file;
  std::string parquet;
  // Folders, for the trackers of others.
  std::string tensorboard;
  std::string mlflow;
  std::string wandb;

  // A run that is named by itself has a report of its own; a sweep, or runs by name, are compared however many they
  // are.
  bool IsOfOneRun() const { return run_ids.size() == 1 && sweep.empty() && matching.empty(); }
  bool WritesTables() const { return !html.empty() || !csv.empty() || !json_file.empty() || !parquet.empty(); }
  bool WritesFiles() const { return WritesTables() || !tensorboard.empty() || !mlflow.empty() || !wandb.empty(); }
};

// Ids of the runs whose names match, oldest first.
StatusOr<std::vector<std::string>> MatchingRuns(const std::string& pattern, RunApi* api) {
  lwqat::v1::ListRunsRequest filter;
  filter.set_name(pattern);
  LWQ_ASSIGN_OR_RETURN(const std::vector<Run> listed, api->ListRuns(kMostListed, filter));
  std::vector<std::string> ids;
  for (const Run& run : listed) ids.push_back(run.id());
  std::reverse(ids.begin(), ids.end());
  if (ids.empty()) {
    return absl::NotFoundError(
        absl::StrCat("--matching: no run's name matches \"", pattern, "\"; lwq list shows the names"));
  }
  return ids;
}

// The runs that are named, then those of the sweep, then those that match, each once.
StatusOr<std::vector<Run>> RunsOf(const ReportOptions& options, RunApi* api) {
  std::vector<std::string> ids = options.run_ids;
  if (!options.sweep.empty()) {
    LWQ_ASSIGN_OR_RETURN(const lwqat::v1::Sweep sweep, api->GetSweep(options.sweep));
    for (const auto& member : sweep.members()) ids.push_back(member.run_id());
  }
  if (!options.matching.empty()) {
    LWQ_ASSIGN_OR_RETURN(const std::vector<std::string> matching, MatchingRuns(options.matching, api));
    ids.insert(ids.end(), matching.begin(), matching.end());
  }
  std::vector<Run> runs;
  for (const std::string& id : ids) {
    LWQ_ASSIGN_OR_RETURN(Run run, api->GetRun(id));
    const bool is_new = std::none_of(runs.begin(), runs.end(), [&](const Run& one) { return one.id() == run.id(); });
    if (is_new || !options.WritesFiles()) runs.push_back(std::move(run));
  }
  return runs;
}

// The first of the runs that has that name, or an id that begins so.
StatusOr<std::optional<size_t>> FindBaseline(const std::string& baseline,
                                             const std::vector<reporting::SweepRun>& runs) {
  if (baseline.empty()) return std::nullopt;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Run& run = runs[i].run;
    if ((baseline.size() >= 4 && run.id().starts_with(baseline)) || run.spec().name() == baseline) return i;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--baseline: none of the ", runs.size(), " runs has the name or id \"", baseline, "\""));
}

// Those of their sweep, where all runs are of one.
std::vector<reporting::Labels> LabelsOfRuns(const std::vector<Run>& runs) {
  std::vector<reporting::Labels> labels;
  for (const Run& run : runs) {
    if (run.labels().empty() || run.sweep_id() != runs.front().sweep_id()) return reporting::LabelsFromRecipes(runs);
    labels.emplace_back(run.labels().begin(), run.labels().end());
  }
  return labels;
}

struct FileToWrite {
  std::string flag;
  std::string path;
  std::string content;
};

StatusOr<std::vector<FileToWrite>> TablesOf(const ReportOptions& options, const reporting::SweepRuns& sweep) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<size_t> baseline, FindBaseline(options.baseline, sweep.runs));
  LWQ_ASSIGN_OR_RETURN(const reporting::SweepReport report, reporting::BuildSweepReport(sweep, baseline));
  const reporting::DataTable table = reporting::RunsTable(sweep, report);
  reporting::RunReport own = reporting::BuildRunReport(sweep.runs.front().run, LWQ_VERSION);
  if (!options.title.empty()) own.title = options.title;
  std::vector<FileToWrite> files;
  if (!options.html.empty()) {
    files.push_back({"--html", options.html,
                     options.IsOfOneRun() ? reporting::RenderRunPage(own) : reporting::RenderPage(sweep, report)});
  }
  if (!options.csv.empty()) files.push_back({"--csv", options.csv, reporting::ToCsv(table)});
  if (!options.json_file.empty()) {
    Json json = options.IsOfOneRun() ? reporting::RunReportToJson(own) : reporting::SweepReportToJson(report);
    if (!options.IsOfOneRun()) json["runs"] = reporting::RowsToJson(table);
    files.push_back({"--json-file", options.json_file, reporting::PrettyJson(json)});
  }
  if (!options.parquet.empty()) {
    LWQ_ASSIGN_OR_RETURN(std::string parquet, reporting::ToParquet(table));
    files.push_back({"--parquet", options.parquet, std::move(parquet)});
  }
  return files;
}

// MLflow refuses to work where it finds a folder mlruns with runs in its working directory, and so does everything that
// logs to it from there.
Status CheckMlflowFolder(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::weakly_canonical(".", error);
  std::filesystem::path wanted = std::filesystem::weakly_canonical(folder, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("--mlflow: cannot find ", folder, ": ", error.message()));
  if (!wanted.has_filename()) wanted = wanted.parent_path();
  if (wanted != here && wanted.filename() != "mlruns") return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--mlflow ", folder,
                   " would make a folder mlruns that keeps MLflow from working there; give another folder, which is "
                   "neither this one nor called mlruns"));
}

void AddBelow(const std::string& flag, const std::string& folder, std::vector<reporting::TrackerFile> made,
              std::vector<FileToWrite>* files) {
  for (reporting::TrackerFile& file : made) {
    files->push_back({flag, absl::StrCat(folder, "/", file.path), std::move(file.content)});
  }
}

std::vector<FileToWrite> TrackersOf(const ReportOptions& options, const reporting::SweepRuns& sweep) {
  std::vector<reporting::TrackedRun> runs;
  for (const reporting::SweepRun& entry : sweep.runs) runs.push_back(reporting::TrackRun(entry));
  std::vector<FileToWrite> files;
  for (const reporting::TrackedRun& run : runs) {
    if (!options.tensorboard.empty())
      AddBelow("--tensorboard", options.tensorboard, {reporting::TensorBoardEvents(run)}, &files);
    if (!options.wandb.empty()) AddBelow("--wandb", options.wandb, {reporting::WandbRun(sweep.name, run)}, &files);
  }
  if (!options.mlflow.empty()) AddBelow("--mlflow", options.mlflow, reporting::MlflowStore(sweep.name, runs), &files);
  return files;
}

// Of a folder for a tracker one line, however many files it has; then what its program is told.
void TellTrackers(const CliContext& context, const ReportOptions& options) {
  const auto tell = [&](const std::string& folder, const std::string& command) {
    if (folder.empty()) return;
    context.console->Out(folder);
    context.console->Err(absl::StrCat("open it with: ", command));
  };
  tell(options.tensorboard, absl::StrCat("tensorboard --logdir ", options.tensorboard));
  tell(options.mlflow,
       absl::StrCat("mlflow migrate-filestore --source ", options.mlflow, " --target sqlite:///mlflow.db"));
  tell(options.wandb, absl::StrCat("wandb sync ", options.wandb, "/offline-run-*"));
}

StatusOr<ExitCode> WriteFiles(const CliContext& context, const ReportOptions& options, std::vector<Run> runs) {
  if (!options.mlflow.empty()) LWQ_RETURN_IF_ERROR(CheckMlflowFolder(options.mlflow));
  const std::vector<reporting::Labels> labels = LabelsOfRuns(runs);
  reporting::SweepRuns sweep{.name = options.title, .runs = {}};
  if (sweep.name.empty()) sweep.name = options.matching.empty() ? "Comparison of runs" : options.matching;
  for (size_t i = 0; i < runs.size(); ++i) sweep.runs.push_back({std::move(runs[i]), labels[i]});
  std::vector<FileToWrite> files;
  if (options.WritesTables()) {
    LWQ_ASSIGN_OR_RETURN(files, TablesOf(options, sweep));
  }
  const size_t tables = files.size();
  for (FileToWrite& file : TrackersOf(options, sweep)) files.push_back(std::move(file));
  Json written = Json::array();
  for (size_t i = 0; i < files.size(); ++i) {
    const FileToWrite& file = files[i];
    LWQ_RETURN_IF_ERROR(Annotate(WriteReport(file.path, file.content), file.flag));
    written.push_back({{"file", file.path}, {"size_bytes", file.content.size()}});
    if (!options.json && i < tables) context.console->Out(file.path);
  }
  if (options.json) {
    context.console->OutText(reporting::PrettyJson({{"files", written}}));
  } else {
    TellTrackers(context, options);
  }
  return ExitCode::kOk;
}

// A folder stands for the page and the JSON in it, unless these are given places of their own.
ReportOptions WithFolder(ReportOptions options) {
  if (options.output.empty()) return options;
  if (options.html.empty()) options.html = absl::StrCat(options.output, kPageInFolder);
  if (options.json_file.empty()) options.json_file = absl::StrCat(options.output, kJsonInFolder);
  return options;
}

StatusOr<ExitCode> ReportRuns(const CliContext& context, const ReportOptions& given) {
  const ReportOptions options = WithFolder(given);
  if (options.run_ids.empty() && options.matching.empty() && options.sweep.empty()) {
    return absl::InvalidArgumentError(
        "report: no run is named; give ids, --sweep SWEEP or --matching PATTERN; lwq list and lwq sweeps show them");
  }
  const bool has_title = !options.title.empty() && !options.WritesFiles();
  if (has_title || (!options.baseline.empty() && !options.WritesTables())) {
    return absl::InvalidArgumentError(
        "--baseline and --title belong to files; give --html, --csv, --json-file or --parquet");
  }
  LWQ_ASSIGN_OR_RETURN(const auto connection, ServerConnection::Open(context, options.server));
  LWQ_ASSIGN_OR_RETURN(std::vector<Run> runs, RunsOf(options, connection->api()));
  if (options.WritesFiles()) return WriteFiles(context, options, std::move(runs));
  const reporting::Report report = reporting::BuildReport(runs, NowUnixSeconds());
  if (options.json) {
    context.console->OutText(reporting::PrettyJson(reporting::ReportToJson(report)));
    return ExitCode::kOk;
  }
  std::string text = RenderReport(report);
  if (options.IsOfOneRun()) {
    absl::StrAppend(&text, "\n", RenderRunSummary(reporting::BuildRunReport(runs.front(), LWQ_VERSION)));
  }
  context.console->OutText(text);
  return ExitCode::kOk;
}

}  // namespace

void AddReportVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* verb =
      AddVerb(root,
              {"report", "Compare runs, or report one: perplexity, stored bits, size, steps, time, recovered share",
               "lwq report --matching 'ablation *' --html report.html --csv runs.csv"},
              &options->json);
  verb->add_option("RUN", options->run_ids, kRunIdHelp)->type_name("")->check(CheckRunId);
  const auto add = [&](const char* flag, std::string* value, const char* type, const char* help) {
    verb->add_option(flag, *value, help)->type_name(type);
  };
  verb->add_option("--sweep", options->sweep,
                   "also all runs of a sweep, with its labels: an id, or the first four or more "
                   "characters of it")
      ->type_name("SWEEP")
      ->check(CheckRunId);
  add("--matching", &options->matching, "PATTERN",
      "also all runs whose name matches; * stands for any text, ? for a character");
  add("--output", &options->output, "DIR",
      "folder for report.html and report.json: of one run its own, else all together");
  add("--html", &options->html, "FILE", "write a page with plots and tables that needs no network");
  add("--csv", &options->csv, "FILE", "write a table with a row per run");
  add("--parquet", &options->parquet, "FILE", "write the same table as Parquet");
  add("--json-file", &options->json_file, "FILE", "write everything the page says as JSON");
  add("--tensorboard", &options->tensorboard, "DIR", "write an event file for each run, which TensorBoard reads");
  add("--mlflow", &options->mlflow, "DIR", "write a store of files, which mlflow migrate-filestore takes");
  add("--wandb", &options->wandb, "DIR", "write an offline run of Weights & Biases for each run, for wandb sync");
  add("--baseline", &options->baseline, "RUN",
      "id or name of a run whose arm the others are compared with (default: the first)");
  add("--title", &options->title, "TEXT", "the page's heading, the experiment's and project's name");
  AddServerFlags(verb, &options->server);
  verb->callback([=, &context] { *action = [=, &context] { return ReportRuns(context, *options); }; });
}

}  // namespace lwq::client
