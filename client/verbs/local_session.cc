#include "client/verbs/local_session.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <thread>

#include "client/local/submit_once.h"
#include "client/render/run_text.h"
#include "client/transfer/check_weights.h"
#include "client/transfer/fetch_export.h"
#include "client/transfer/interruptible_store.h"
#include "client/verbs/preflight.h"
#include "client/watch/run_views.h"
#include "client/watch/watch_runs.h"
#include "common/file/posix_file.h"
#include "common/object_store/open_store.h"

namespace lwq {
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
Status CancelLeftovers(const CliContext& context, RunApi* api, const std::vector<Run>& wanted) {
  LWQ_ASSIGN_OR_RETURN(const std::vector<Run> runs, api->ListRuns(kRunsLookedAt));
  for (const Run& run : runs) {
    const bool is_wanted =
        std::any_of(wanted.begin(), wanted.end(), [&](const Run& other) { return other.id() == run.id(); });
    if (is_wanted || IsTerminal(run.state())) continue;
    LWQ_RETURN_IF_ERROR(api->CancelRun(run.id()));
    context.console->Err(
        absl::StrCat("run ", ShortId(run.id()), " (", run.spec().name(),
                     "), left unfinished by an earlier lwq local, is cancelled; what it finished is kept and reused"));
  }
  return absl::OkStatus();
}

class Session {
 public:
  Session(const CliContext& context, const LocalSessionOptions& options) : context_(context), options_(options) {}

  StatusOr<std::vector<Run>> Execute(const std::vector<CheckedRun>& checked, int max_threads) {
    auto state = options_.state.empty() ? StateDirectory::OpenTemporary() : StateDirectory::Open(options_.state);
    LWQ_RETURN_IF_ERROR(state);
    state_ = *std::move(state);
    if (options_.fetch) LWQ_RETURN_IF_ERROR(PrepareExportDirectories(checked));
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
    auto runs = SubmitAndWatch(checked);
    if (runs.ok() && options_.fetch) {
      if (const Status fetched = FetchAll(checked, *runs); !fetched.ok()) runs = fetched;
    }
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
    cluster.log_level = options_.cluster.log_level;
    LWQ_ASSIGN_OR_RETURN(cluster_, LocalCluster::Start(cluster, *state_, context_.console, context_.interrupt));
    context_.console->Err(
        absl::StrCat("coordinator listens on ", cluster_->address(), ", state and logs are in ", state_->path()));
    RunApi::Options api;
    api.address = cluster_->address();
    api.patience = std::chrono::minutes(1);  // the supervisor starts it again, or ends the session
    api_ = std::make_unique<RunApi>(api, context_.interrupt);
    return absl::OkStatus();
  }

  StatusOr<std::vector<Run>> SubmitAndWatch(const std::vector<CheckedRun>& checked) {
    LWQ_RETURN_IF_ERROR(Preflight(api_.get(), checked));
    LWQ_ASSIGN_OR_RETURN(auto store, OpenObjectStore(absl::StrCat("file://", state_->Below("objects"))));
    objects_ = std::make_unique<InterruptibleStore>(std::move(store), context_.interrupt);
    std::vector<Run> runs;
    std::vector<std::string> ids;
    UploadedTrees uploaded;
    for (const CheckedRun& run : checked) {
      LWQ_ASSIGN_OR_RETURN(const lwqat::v1::RunSpec spec, UploadRun(run, objects_.get(), context_.console, &uploaded));
      auto submitted = SubmitOnce(api_.get(), *state_, spec);
      if (!submitted.ok()) return Annotate(submitted.status(), run.request.origin);
      context_.console->Err(absl::StrCat(submitted->resumed ? "resuming run " : "submitted run ",
                                         ShortId(submitted->run.id()), " (", spec.name(), ")"));
      ids.push_back(submitted->run.id());
      runs.push_back(std::move(submitted->run));
    }
    LWQ_RETURN_IF_ERROR(CancelLeftovers(context_, api_.get(), runs));
    const WatchStyle style = ChooseWatchStyle(*context_.console, false);
    const auto view = MakeRunView(style == WatchStyle::kLines ? WatchStyle::kNotes : style, context_.console);
    return WatchRuns(api_.get(), ids, view.get());
  }

  std::string ExportDirectory(const RunRequest& request) const {
    if (!request.save_quant_dir.empty()) return request.save_quant_dir;
    const std::string parent = options_.output.empty() ? state_->Below("exports") : options_.output;
    return absl::StrCat(parent, "/", FolderNameOf(request.spec.name()));
  }

  // Hours later would be too late to learn that the results have nowhere to go.
  Status PrepareExportDirectories(const std::vector<CheckedRun>& checked) const {
    for (const CheckedRun& run : checked) {
      const std::string parent = ParentDirectory(ExportDirectory(run.request));
      Status made = MakeDirectories(parent);
      if (made.ok() && access(parent.c_str(), W_OK) != 0) made = ErrnoStatus(errno, "write to folder", parent);
      if (!made.ok()) return WithExit(Annotate(made, "output"), ExitCode::kUsage);
    }
    return absl::OkStatus();
  }

  Status FetchAll(const std::vector<CheckedRun>& checked, const std::vector<Run>& runs) {
    for (size_t i = 0; i < runs.size(); ++i) {
      if (runs[i].state() != lwqat::v1::RUN_STATE_SUCCEEDED || !HasResults(runs[i])) continue;
      LWQ_RETURN_IF_ERROR(FetchExport(runs[i], objects_.get(), ExportDirectory(checked[i].request), context_.console));
    }
    return absl::OkStatus();
  }

  const CliContext& context_;
  const LocalSessionOptions& options_;
  std::unique_ptr<StateDirectory> state_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<RunApi> api_;
  std::unique_ptr<ObjectStore> objects_;
};

}  // namespace

StatusOr<std::vector<Run>> RunLocalSession(const CliContext& context, const LocalSessionOptions& options,
                                           const std::vector<RunRequest>& requests) {
  LWQ_RETURN_IF_ERROR(CheckNames(requests));
  std::vector<CheckedRun> checked;
  for (const RunRequest& request : requests) {
    LWQ_ASSIGN_OR_RETURN(CheckedRun run, CheckRunInputs(request));
    checked.push_back(std::move(run));
  }
  const Status weights = CheckWeights(checked, *context.interrupt);
  auto runs = weights.ok() ? Session(context, options).Execute(checked, MaxThreads(options.cluster, requests))
                           : StatusOr<std::vector<Run>>(weights);
  const bool interrupted = !runs.ok() && ExitCodeOf(runs.status()) == ExitCode::kInterrupted;
  if (interrupted && !options.state.empty()) {
    return WithExit(absl::CancelledError(absl::StrCat(
                        "interrupted; the same command goes on where it stopped (state is in ", options.state, ")")),
                    ExitCode::kInterrupted);
  }
  return runs;
}

}  // namespace lwq
