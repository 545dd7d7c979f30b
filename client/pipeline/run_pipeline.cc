// SPDX-License-Identifier: Apache-2.0
#include "client/pipeline/run_pipeline.h"

#include <algorithm>

#include "client/pipeline/fetch_or_remake.h"
#include "client/pipeline/preflight.h"
#include "client/transfer/check_weights.h"
#include "client/watch/watch_runs.h"

namespace lwq::client {
namespace {

// Where the runs themselves say that their exports go.
std::vector<std::string> PlacesOf(const std::vector<CheckedRun>& runs) {
  std::vector<std::string> places;
  for (const CheckedRun& run : runs) {
    if (!run.request.save_quant_dir.empty()) places.push_back(run.request.save_quant_dir);
  }
  return places;
}

}  // namespace

StatusOr<Runs> SubmitAnew(RunApi* api, const RunSpecs& specs) {
  std::vector<lwqat::v1::SubmitRunRequest> requests(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    *requests[i].mutable_spec() = specs[i];
    requests[i].set_request_id(NewRequestId());
  }
  return api->SubmitRuns(requests);
}

Status RunPipeline::Check(const std::vector<RunRequest>& requests) {
  InputChecks checks(sources_);
  for (const RunRequest& request : requests) {
    LWQ_ASSIGN_OR_RETURN(CheckedRun run, checks.Check(request));
    checked_.push_back(std::move(run));
  }
  return absl::OkStatus();
}

Status RunPipeline::CheckWeights() {
  if (weights_are_checked_) return absl::OkStatus();
  LWQ_RETURN_IF_ERROR(client::CheckWeights(checked_, *interrupt_));
  weights_are_checked_ = true;
  return absl::OkStatus();
}

StatusOr<Runs> RunPipeline::Execute(const PipelineOptions& options) {
  LWQ_RETURN_IF_ERROR(Preflight(options.api, checked_));
  if (options.also_ask) {
    LWQ_ASSIGN_OR_RETURN(const RunSpecs named, NameRuns(checked_));
    LWQ_RETURN_IF_ERROR(options.also_ask(named));
  }
  LWQ_RETURN_IF_ERROR(CheckWeights());
  // Hours later would be too late to learn that the results have nowhere to go.
  if (options.watch.has_value()) LWQ_RETURN_IF_ERROR(CheckExportPlaces(PlacesOf(checked_), interrupt_));
  LWQ_ASSIGN_OR_RETURN(const auto objects, options.open_objects());
  LWQ_ASSIGN_OR_RETURN(const RunSpecs specs, Upload(objects.get()));
  LWQ_ASSIGN_OR_RETURN(Runs runs, options.submit(specs));
  if (!options.watch.has_value()) return runs;
  LWQ_ASSIGN_OR_RETURN(runs, Watch(options, runs));
  LWQ_RETURN_IF_ERROR(Fetch(options, runs, objects.get()));
  return runs;
}

StatusOr<RunSpecs> RunPipeline::Upload(ObjectStore* objects) {
  RunSpecs specs;
  UploadedTrees uploaded;
  for (const CheckedRun& run : checked_) {
    LWQ_ASSIGN_OR_RETURN(lwqat::v1::RunSpec spec, UploadRun(run, objects, console_, &uploaded));
    specs.push_back(std::move(spec));
  }
  return specs;
}

namespace {

// "" where they are not all of one sweep.
std::string SweepOfAll(const Runs& runs) {
  const auto other = [&](const lwqat::v1::Run& run) { return run.sweep_id() != runs.front().sweep_id(); };
  return std::any_of(runs.begin(), runs.end(), other) ? "" : runs.front().sweep_id();
}

}  // namespace

StatusOr<Runs> RunPipeline::Watch(const PipelineOptions& options, const Runs& runs) {
  std::vector<std::string> ids;
  for (const lwqat::v1::Run& run : runs) ids.push_back(run.id());
  const auto view =
      ids.size() > kRunsShownWhole ? MakeManyRunsView(*options.watch, console_) : MakeRunView(*options.watch, console_);
  return WatchTogether(options.api, SweepOfAll(runs), ids, view.get());
}

Status RunPipeline::Fetch(const PipelineOptions& options, const Runs& runs, ObjectStore* objects) {
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].state() != lwqat::v1::RUN_STATE_SUCCEEDED) continue;
    const std::string folder = options.folder_of(checked_[i].request, runs[i]);
    if (!folder.empty()) LWQ_RETURN_IF_ERROR(FetchOrRemake(options.api, runs[i], objects, folder, console_));
    if (options.also_fetch) LWQ_RETURN_IF_ERROR(options.also_fetch(runs[i], objects));
  }
  return absl::OkStatus();
}

}  // namespace lwq::client
