// SPDX-License-Identifier: Apache-2.0
// lwq local: a whole cluster on this machine for the time of some runs.
#include <iterator>

#include "client/base/clock.h"
#include "client/render/report_text.h"
#include "client/run_file/run_flags.h"
#include "client/run_file/sweep_runs.h"
#include "client/verbs/local_session.h"
#include "reporting/json_text.h"
#include "reporting/layer_results.h"
#include "reporting/report.h"

namespace lwq::client {
namespace {

struct LocalOptions {
  LocalSessionOptions session;
  std::string bin_dir;
  std::shared_ptr<RunFlags> runs;
};

struct LocalRuns {
  std::vector<RunRequest> requests;
  std::vector<LocalSweep> sweeps;
};

// The runs of all files, those of sweeps among them.
StatusOr<LocalRuns> LoadRunsAndSweeps(const CliContext& context, const RunFlags& flags) {
  LocalRuns all;
  std::vector<RunRequest>& runs = all.requests;
  if (flags.files.empty()) {
    LWQ_ASSIGN_OR_RETURN(runs, LoadRuns(flags));
    return all;
  }
  RunFlags one = flags;
  for (const std::string& file : flags.files) {
    one.files = {file};
    if (!IsSweepFile(file)) {
      LWQ_ASSIGN_OR_RETURN(std::vector<RunRequest> read, LoadRuns(one));
      runs.push_back(std::move(read.front()));
      continue;
    }
    LWQ_ASSIGN_OR_RETURN(SweepRuns sweep, LoadSweep(file, flags));
    for (const std::string& remark : sweep.remarks) context.console->Err(remark);
    const size_t first = runs.size();
    std::move(sweep.requests.begin(), sweep.requests.end(), std::back_inserter(runs));
    sweep.requests.clear();
    all.sweeps.push_back({first, std::move(sweep)});
  }
  return all;
}

StatusOr<ExitCode> Local(const CliContext& context, const LocalOptions& options) {
  if (options.session.state.empty()) {  // a session would take a temporary folder and remove the exports with it
    return absl::InvalidArgumentError("--state: expected a folder, got an empty text; leave it out for lwq-state");
  }
  LWQ_ASSIGN_OR_RETURN(const LocalRuns all, LoadRunsAndSweeps(context, *options.runs));
  LocalSessionOptions session = options.session;
  session.binary_directory = options.bin_dir.empty() ? context.binary_directory : options.bin_dir;
  LWQ_ASSIGN_OR_RETURN(const Runs runs, RunLocalSession(context, session, all.requests, all.sweeps));
  const reporting::Report report = reporting::BuildReport(runs, NowUnixSeconds());
  Json list = Json::array();
  for (const lwqat::v1::Run& run : runs) {
    list.push_back(reporting::RunToJson(run));
    if (!run.error().empty()) context.console->Err(absl::StrCat("lwq: ", run.spec().name(), ": ", run.error()));
  }
  context.console->OutText(session.json
                               ? reporting::PrettyJson({{"runs", list}, {"report", reporting::ReportToJson(report)}})
                               : RenderReport(report));
  return ExitCodeOf(runs);
}

}  // namespace

void AddLocalVerb(CLI::App* root, const CliContext& context, VerbAction* action) {
  auto options = std::make_shared<LocalOptions>();
  options->session.state = "lwq-state";
  CLI::App* verb = AddVerb(
      root,
      {"local", "Start a coordinator and workers on this machine, execute runs, fetch and report",
       "lwq local --model models/tiny --calib_dataset calib.txt --eval_texts held-out.txt --eval_ppl --wbits 2"},
      &options->session.json);
  verb->add_option("--state", options->session.state,
                   "folder of everything the cluster keeps; given again, runs resume (default lwq-state)")
      ->type_name("DIR");
  verb->add_option(
          "--output", options->session.output,
          "exported models go to DIR/<run's name>; DIR may be s3://bucket/prefix (default: exports in the state "
          "folder)")
      ->type_name("DIR");
  verb->add_option("--bin-dir", options->bin_dir, "folder of lwq-coordinator and lwq-worker (default: that of lwq)")
      ->type_name("DIR");
  AddClusterFlags(verb, &options->session.cluster);
  options->runs = AddRunFlags(verb, 1000);
  verb->callback([=, &context] { *action = [=, &context] { return Local(context, *options); }; });
}

}  // namespace lwq::client
