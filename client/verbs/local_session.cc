// SPDX-License-Identifier: Apache-2.0
#include "client/verbs/local_session.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "client/local/submit_once.h"
#include "client/pipeline/submit_sweep.h"
#include "client/transfer/fetch_export.h"
#include "client/transfer/interruptible_store.h"
#include "common/object_store/open_store.h"
#include "reporting/run_facts.h"

namespace lwq::client {
namespace {

using lwqat::v1::Run;

constexpr int kRunsLookedAt = 1000;
constexpr std::chrono::milliseconds kKilledGrace{1'000};

Status CheckNames(const std::vector<RunRequest>& requests) {
  std::set<std::string> folders;
  for (const RunRequest& request : requests) {
    const std::string& name = request.spec.name();
    if (folders.insert(FolderNameOf(name)).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        request.origin, ": another run is named so that its export would go to the same folder as that of \"", name,
        "\"; give it another name"));
  }
  return absl::OkStatus();
}

// A worker that could never take a run's tasks would leave it waiting for ever.
int MaxThreads(const ClusterFlags& flags, const std::vector<RunRequest>& requests) {
  if (flags.max_threads > 0) return flags.max_threads;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / std::max(1, flags.workers));
  for (const RunRequest& request : requests) threads = std::max(threads, request.spec.recipe().threads());
  return threads;
}

// Runs that an earlier session left and that nobody asks for now would compete with today's.
Status CancelLeftovers(const CliContext& context, RunApi* api, const Runs& wanted) {
  LWQ_ASSIGN_OR_RETURN(const Runs runs, api->ListRuns(kRunsLookedAt));
  for (const Run& run : runs) {
    const bool is_wanted =
        std::any_of(wanted.begin(), wanted.end(), [&](const Run& other) { return other.id() == run.id(); });
    if (is_wanted || reporting::HasEnded(run)) continue;
    LWQ_RETURN_IF_ERROR(api->CancelRun(run.id()));
    context.console->Err(
        absl::StrCat("run ", reporting::ShortId(run.id()), " (", run.spec().name(),
                     "), left unfinished by an earlier lwq local, is cancelled; what it finished is kept and reused"));
  }
  return absl::OkStatus();
}

class Session {
 public:
  Session(const CliContext& context, const LocalSessionOptions& options, const std::vector<LocalSweep>& sweeps)
      : context_(context), options_(options), sweeps_(sweeps) {}

  StatusOr<Runs> Execute(RunPipeline* pipeline, const std::vector<RunRequest>& requests, int max_threads) {
    auto state = options_.state.empty() ? StateDirectory::OpenTemporary() : StateDirectory::Open(options_.state);
    LWQ_RETURN_IF_ERROR(state);
    state_ = *std::move(state);
    if (options_.fetch) LWQ_RETURN_IF_ERROR(CheckExportDirectories(requests));
    LWQ_RETURN_IF_ERROR(StartCluster(max_threads));
    // The second Ctrl-C waits for nothing but the end of killed processes.
    const Interrupt::Hook on_interrupt(context_.interrupt, [this] {
      if (context_.interrupt->count() == 1) {
        if (absl::IsCancelled(context_.interrupt->reason()))
          context_.console->Err("stopping the processes; Ctrl-C again kills them");
        return;
      }
      context_.console->ClearLive();
      cluster_->Kill();
      cluster_->Stop(kKilledGrace);  // they are gone before their folder is
      state_->RemoveIfTemporary();
      _exit(static_cast<int>(ExitCode::kInterrupted));
    });
    auto runs = pipeline->Execute(Steps());
    cluster_->Stop();
    return runs;
  }

 private:
  Status StartCluster(int max_threads) {
    LocalCluster::Options cluster;
    cluster.binary_directory = options_.binary_directory;
    cluster.workers = options_.cluster.workers;
    cluster.device = options_.cluster.device;
    cluster.max_threads = max_threads;
    cluster.memory_limit_bytes = options_.cluster.memory_limit_bytes;
    cluster.cache_bytes = options_.cluster.cache_bytes;
    cluster.activation_bytes = options_.cluster.activation_bytes;
    cluster.dashboard = options_.cluster.dashboard;
    cluster.log_level = options_.cluster.log_level;
    LWQ_ASSIGN_OR_RETURN(cluster_, LocalCluster::Start(cluster, *state_, context_.console, context_.interrupt));
    context_.console->Err(
        absl::StrCat("coordinator listens on ", cluster_->address(), ", state and logs are in ", state_->path()));
    if (!cluster.dashboard.empty()) {
      context_.console->Err(absl::StrCat("dashboard on http://", cluster.dashboard, "/"));
    }
    RunApi::Options api;
    api.address = cluster_->address();
    api.patience = std::chrono::minutes(1);  // the supervisor starts it again, or ends the session
    api_ = std::make_unique<RunApi>(api, context_.interrupt);
    return absl::OkStatus();
  }

  PipelineOptions Steps() {
    PipelineOptions steps;
    steps.api = api_.get();
    if (!sweeps_.empty()) {
      steps.also_ask = [this](const RunSpecs& named) -> Status {
        for (const LocalSweep& sweep : sweeps_) LWQ_RETURN_IF_ERROR(api_->ValidateSweep(SpecOf(sweep, named)));
        return absl::OkStatus();
      };
    }
    steps.open_objects = [this] { return OpenObjects(); };
    steps.submit = [this](const RunSpecs& specs) { return SubmitAndTell(specs); };
    steps.watch = ChooseProgressStyle(*context_.console, /*out_is_taken=*/true);
    steps.also_fetch = options_.also_fetch;
    steps.folder_of = [this](const RunRequest& request, const Run& run) {
      return options_.fetch && HasResults(run) ? ExportDirectory(request) : "";
    };
    return steps;
  }

  StatusOr<std::unique_ptr<ObjectStore>> OpenObjects() const {
    LWQ_ASSIGN_OR_RETURN(auto store, OpenObjectStore(absl::StrCat("file://", state_->Below("objects"))));
    return std::make_unique<InterruptibleStore>(std::move(store), context_.interrupt);
  }

  // Goes on with the runs that are unfinished, begins the others, and stops what nobody asks for.
  StatusOr<Runs> SubmitAndTell(const RunSpecs& specs) {
    Runs runs(specs.size());
    for (const LocalSweep& sweep : sweeps_) {
      const lwqat::v1::SweepSpec spec = SpecOf(sweep, specs);
      LWQ_ASSIGN_OR_RETURN(const SubmittedSweepOnce once, SubmitSweepOnce(api_.get(), *state_, spec));
      SubmittedSweep submitted = SubmittedAs(once.sweep, spec);
      context_.console->Err(absl::StrCat(once.resumed ? "resuming sweep " : "submitted sweep ", submitted.id, " (",
                                         spec.name(), "): ", submitted.runs.size(), " runs"));
      std::move(submitted.runs.begin(), submitted.runs.end(), runs.begin() + static_cast<ptrdiff_t>(sweep.first));
    }
    LWQ_RETURN_IF_ERROR(SubmitLoose(specs, &runs));
    LWQ_RETURN_IF_ERROR(CancelLeftovers(context_, api_.get(), runs));
    return runs;
  }

  // Those that are of no sweep.
  Status SubmitLoose(const RunSpecs& specs, Runs* runs) {
    RunSpecs loose;
    std::vector<size_t> places;
    for (size_t i = 0; i < specs.size(); ++i) {
      if (!(*runs)[i].id().empty()) continue;
      loose.push_back(specs[i]);
      places.push_back(i);
    }
    if (loose.empty()) return absl::OkStatus();
    LWQ_ASSIGN_OR_RETURN(std::vector<Submitted> submitted, SubmitOnce(api_.get(), *state_, loose));
    for (size_t i = 0; i < places.size(); ++i) {
      Submitted& one = submitted[i];
      context_.console->Err(absl::StrCat(one.resumed ? "resuming run " : "submitted run ",
                                         reporting::ShortId(one.run.id()), " (", one.run.spec().name(), ")"));
      (*runs)[places[i]] = std::move(one.run);
    }
    return absl::OkStatus();
  }

  static lwqat::v1::SweepSpec SpecOf(const LocalSweep& sweep, const RunSpecs& specs) {
    const auto first = specs.begin() + static_cast<ptrdiff_t>(sweep.first);
    return SpecOfSweep(sweep.sweep, RunSpecs(first, first + std::ssize(sweep.sweep.arms)));
  }

  std::string ExportDirectory(const RunRequest& request) const {
    if (!request.save_quant_dir.empty()) return request.save_quant_dir;
    const std::string parent = options_.output.empty() ? state_->Below("exports") : options_.output;
    return PlaceBelow(parent, FolderNameOf(request.spec.name()));
  }

  // Hours later would be too late to learn that the results have nowhere to go.
  Status CheckExportDirectories(const std::vector<RunRequest>& requests) const {
    std::vector<std::string> places;
    for (const RunRequest& request : requests) places.push_back(ExportDirectory(request));
    return CheckExportPlaces(places, context_.interrupt);
  }

  const CliContext& context_;
  const LocalSessionOptions& options_;
  const std::vector<LocalSweep>& sweeps_;
  std::unique_ptr<StateDirectory> state_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<RunApi> api_;
};

}  // namespace

StatusOr<Runs> RunLocalSession(const CliContext& context, const LocalSessionOptions& options,
                               const std::vector<RunRequest>& requests, const std::vector<LocalSweep>& sweeps) {
  LWQ_RETURN_IF_ERROR(CheckNames(requests));
  Sources sources(SourceContextOf(context));
  RunPipeline pipeline(context.console, context.interrupt, &sources);
  LWQ_RETURN_IF_ERROR(pipeline.Check(requests));
  const Status weights = pipeline.CheckWeights();  // before processes are started for nothing
  auto runs =
      weights.ok()
          ? Session(context, options, sweeps).Execute(&pipeline, requests, MaxThreads(options.cluster, requests))
          : StatusOr<Runs>(weights);
  const bool interrupted = !runs.ok() && ExitCodeOf(runs.status()) == ExitCode::kInterrupted;
  if (interrupted && !options.state.empty()) {
    return WithExit(absl::CancelledError(absl::StrCat(
                        "interrupted; the same command goes on where it stopped (state is in ", options.state, ")")),
                    ExitCode::kInterrupted);
  }
  return runs;
}

}  // namespace lwq::client
