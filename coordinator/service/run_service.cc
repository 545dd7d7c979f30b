// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/run_service.h"

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>

#include "coordinator/scheduler/foresee/explain.h"
#include "coordinator/scheduler/foresee/makespan.h"
#include "coordinator/scheduler/foresee/why.h"
#include "coordinator/service/answers.h"
#include "coordinator/service/convert_run.h"
#include "coordinator/service/refused_stream.h"
#include "coordinator/service/run_filter.h"
#include "coordinator/service/watch_stream.h"

namespace lwq::coordinator {
namespace {

constexpr int kDefaultLogsPage = 500;
constexpr int kMaxLogsPage = 5000;
constexpr int kMaxSchedules = 16;

// The run's lines after `after`, of the task with that title where there is one.
void FillLogPage(const RunEntry& run, int64_t after, int page_size, const std::string& only_title,
                 wire::GetRunLogsResponse* response) {
  const auto first = std::upper_bound(run.logs.begin(), run.logs.end(), after,
                                      [](int64_t before, const LogRecord& line) { return before < line.sequence; });
  if (first == run.logs.end()) return;
  std::unordered_map<std::string, std::string> keys;  // by title
  for (const RunTaskRecord& task : run.tasks) keys.emplace(task.title, task.key.hex());
  for (auto line = first; line != run.logs.end(); ++line) {
    if (!only_title.empty() && line->task != only_title) continue;
    if (response->lines_size() == page_size) return response->set_more(true);
    const auto key = keys.find(line->task);
    ToWire(*line, key == keys.end() ? std::string() : key->second, response->add_lines());
  }
}

}  // namespace

RunServiceImpl::RunServiceImpl(const Desk* desk, Submissions* submissions, Background* previews,
                               WatchMessages* watch_messages, std::string objects_uri, std::string version)
    : desk_(desk),
      submissions_(submissions),
      previews_(previews),
      watch_messages_(watch_messages),
      objects_uri_(std::move(objects_uri)),
      version_(std::move(version)) {
  AnswerInBytes<wire::WatchRunRequest>("WatchRun", std::bind_front(&RunServiceImpl::BeginWatchRun, this));
  AnswerInBytes<wire::WatchRunsRequest>("WatchRuns", std::bind_front(&RunServiceImpl::BeginWatchRuns, this));
}

grpc::ServerUnaryReactor* RunServiceImpl::GetServerInfo(grpc::CallbackServerContext* context,
                                                        const wire::GetServerInfoRequest* /*request*/,
                                                        wire::GetServerInfoResponse* response) {
  return desk_->Read(
      context, Rpc::kGetServerInfo, [this, response](const State& state, Instant, const Caller&) -> Status {
        response->set_version(version_);
        response->set_objects_uri(objects_uri_);
        response->set_activation_bytes_stored(state.activations.stored_bytes() + state.activations.discarded_bytes());
        response->set_activation_bytes_budget(state.options.activation_bytes);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* RunServiceImpl::PlanRun(grpc::CallbackServerContext* context,
                                                  const wire::PlanRunRequest* request,
                                                  wire::PlanRunResponse* response) {
  return desk_->Compute(context, Rpc::kPlanRun, *previews_,
                        [request, response](StateReader& reader, const Caller& caller) -> Status {
                          LWQ_ASSIGN_OR_RETURN(const RunSpec spec, FromWire(request->spec()));
                          LWQ_RETURN_IF_ERROR(caller.CheckNamed(spec.project));
                          LWQ_ASSIGN_OR_RETURN(const RunPreview preview, PreviewRun(reader, spec));
                          ToWire(preview, response->mutable_plan());
                          return absl::OkStatus();
                        });
}

grpc::ServerUnaryReactor* RunServiceImpl::SubmitRun(grpc::CallbackServerContext* context,
                                                    const wire::SubmitRunRequest* request,
                                                    wire::SubmitRunResponse* response) {
  return submissions_->SubmitRun(context, request, response);
}

grpc::ServerUnaryReactor* RunServiceImpl::SubmitRuns(grpc::CallbackServerContext* context,
                                                     const wire::SubmitRunsRequest* request,
                                                     wire::SubmitRunsResponse* response) {
  return submissions_->SubmitRuns(context, request, response);
}

grpc::ServerUnaryReactor* RunServiceImpl::GetRun(grpc::CallbackServerContext* context,
                                                 const wire::GetRunRequest* request, wire::GetRunResponse* response) {
  return desk_->Read(context, Rpc::kGetRun,
                     [request, response](const State& state, Instant now, const Caller& caller) -> Status {
                       LWQ_ASSIGN_OR_RETURN(const RunId id, VisibleRun(state, caller, request->run_id()));
                       RunToWire(state, state.runs.at(id), now, /*with_tasks=*/true, response->mutable_run());
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* RunServiceImpl::ListRuns(grpc::CallbackServerContext* context,
                                                   const wire::ListRunsRequest* request,
                                                   wire::ListRunsResponse* response) {
  return desk_->Read(
      context, Rpc::kListRuns, [request, response](const State& state, Instant now, const Caller& caller) -> Status {
        LWQ_ASSIGN_OR_RETURN(const RunFilter filter, FilterOf(state, caller, *request));
        const auto add = [&](const RunId& id) {
          const RunEntry& run = state.runs.at(id);
          if (!filter(run)) return false;
          RunToWire(state, run, now, /*with_tasks=*/false, response->add_runs());
          return true;
        };
        LWQ_ASSIGN_OR_RETURN(*response->mutable_next_page_token(),
                             FillPage(state.runs_by_sequence, request->page_size(), request->page_token(), add));
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* RunServiceImpl::BeginWatchRun(grpc::CallbackServerContext* context,
                                                                          const wire::WatchRunRequest* request) {
  StatusOr<Caller> caller = desk_->Enter(context, Rpc::kWatchRun);
  if (!caller.ok()) return new RefusedStream<grpc::ByteBuffer>(caller.status());
  return RunWatchStream::Start(*desk_, watch_messages_, *std::move(caller), *request);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* RunServiceImpl::BeginWatchRuns(grpc::CallbackServerContext* context,
                                                                           const wire::WatchRunsRequest* request) {
  StatusOr<Caller> caller = desk_->Enter(context, Rpc::kWatchRuns);
  if (!caller.ok()) return new RefusedStream<grpc::ByteBuffer>(caller.status());
  return RunsWatchStream::Start(*desk_, watch_messages_, *std::move(caller), *request);
}

grpc::ServerUnaryReactor* RunServiceImpl::CancelRun(grpc::CallbackServerContext* context,
                                                    const wire::CancelRunRequest* request,
                                                    wire::CancelRunResponse* response) {
  return Change(
      context, Rpc::kCancelRun, request->run_id(), [](const std::string& id) { return coordinator::CancelRun{id}; },
      response->mutable_run());
}

grpc::ServerUnaryReactor* RunServiceImpl::PauseRun(grpc::CallbackServerContext* context,
                                                   const wire::PauseRunRequest* request,
                                                   wire::PauseRunResponse* response) {
  return Change(
      context, Rpc::kPauseRun, request->run_id(),
      [](const std::string& id) {
        return coordinator::PauseRun{id, true};
      },
      response->mutable_run());
}

grpc::ServerUnaryReactor* RunServiceImpl::ResumeRun(grpc::CallbackServerContext* context,
                                                    const wire::ResumeRunRequest* request,
                                                    wire::ResumeRunResponse* response) {
  return Change(
      context, Rpc::kResumeRun, request->run_id(),
      [](const std::string& id) {
        return coordinator::PauseRun{id, false};
      },
      response->mutable_run());
}

grpc::ServerUnaryReactor* RunServiceImpl::DeleteRun(grpc::CallbackServerContext* context,
                                                    const wire::DeleteRunRequest* request,
                                                    wire::DeleteRunResponse* response) {
  return desk_->ChangeRun(
      context, Rpc::kDeleteRun, request->run_id(),
      [request](const std::string& id) {
        return coordinator::DeleteRun{id, request->force()};
      },
      [response](const Reply& reply, const State& /*state*/) {
        const auto& deleted = std::get<DeleteReply>(reply);
        response->set_run_id(deleted.id);
        response->set_tasks(deleted.tasks);
        response->set_released_bytes(deleted.released_bytes);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* RunServiceImpl::RemakeArtifact(grpc::CallbackServerContext* context,
                                                         const wire::RemakeArtifactRequest* request,
                                                         wire::RemakeArtifactResponse* response) {
  const StatusOr<Digest> artifact = request->artifact().empty() ? Digest() : Digest::FromHex(request->artifact());
  if (!artifact.ok()) {
    const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kRemakeArtifact);
    return Desk::Refuse(context, caller.ok() ? Annotate(artifact.status(), "artifact") : caller.status());
  }
  return Change(
      context, Rpc::kRemakeArtifact, request->run_id(),
      [artifact = *artifact](const std::string& id) {
        return coordinator::RemakeArtifact{id, artifact};
      },
      response->mutable_run());
}

template <typename MakeEvent>
grpc::ServerUnaryReactor* RunServiceImpl::Change(grpc::CallbackServerContext* context, Rpc rpc,
                                                 const std::string& run_id, MakeEvent event, wire::Run* run) {
  return desk_->ChangeRun(context, rpc, run_id, std::move(event), [run](const Reply& reply, const State& state) {
    return AnswerRun(state, std::get<RunReply>(reply).run, run);
  });
}

grpc::ServerUnaryReactor* RunServiceImpl::ExplainRuns(grpc::CallbackServerContext* context,
                                                      const wire::ExplainRunsRequest* request,
                                                      wire::ExplainRunsResponse* response) {
  return desk_->Compute(context, Rpc::kExplainRuns, *previews_,
                        [request, response](StateReader& reader, const Caller& caller) -> Status {
                          StatusOr<std::pair<TasksOfRun, TasksOfRun>> runs = std::pair<TasksOfRun, TasksOfRun>();
                          LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
                            runs = [&]() -> StatusOr<std::pair<TasksOfRun, TasksOfRun>> {
                              LWQ_ASSIGN_OR_RETURN(const RunId a, VisibleRun(state, caller, request->run_a()));
                              LWQ_ASSIGN_OR_RETURN(const RunId b, VisibleRun(state, caller, request->run_b()));
                              LWQ_ASSIGN_OR_RETURN(TasksOfRun tasks_a, TasksToExplain(state, state.runs.at(a)));
                              LWQ_ASSIGN_OR_RETURN(TasksOfRun tasks_b, TasksToExplain(state, state.runs.at(b)));
                              return std::pair(std::move(tasks_a), std::move(tasks_b));
                            }();
                          }));
                          LWQ_RETURN_IF_ERROR(runs.status());
                          ToWire(Explain(runs->first, runs->second), response);
                          return absl::OkStatus();
                        });
}

grpc::ServerUnaryReactor* RunServiceImpl::WhyTask(grpc::CallbackServerContext* context,
                                                  const wire::WhyTaskRequest* request,
                                                  wire::WhyTaskResponse* response) {
  return desk_->Read(context, Rpc::kWhyTask,
                     [request, response](const State& state, Instant now, const Caller& caller) -> Status {
                       LWQ_ASSIGN_OR_RETURN(const RunId id, VisibleRun(state, caller, request->run_id()));
                       const RunEntry& run = state.runs.at(id);
                       LWQ_ASSIGN_OR_RETURN(const size_t position, FindTask(run, request->task()));
                       const RunTaskRecord& task = run.tasks[position];
                       response->set_title(task.title);
                       response->set_key(task.key.hex());
                       response->set_state(ToWire(state.tasks.at(task.key).record.state));
                       for (std::string& line : Why(state, run, position, now)) response->add_lines(std::move(line));
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* RunServiceImpl::GetRunLogs(grpc::CallbackServerContext* context,
                                                     const wire::GetRunLogsRequest* request,
                                                     wire::GetRunLogsResponse* response) {
  return desk_->Read(context, Rpc::kGetRunLogs,
                     [request, response](const State& state, Instant, const Caller& caller) -> Status {
                       LWQ_ASSIGN_OR_RETURN(const RunId id, VisibleRun(state, caller, request->run_id()));
                       const RunEntry& run = state.runs.at(id);
                       std::string only;  // the task's title
                       if (!request->task().empty()) {
                         LWQ_ASSIGN_OR_RETURN(const size_t position, FindTask(run, request->task()));
                         only = run.tasks[position].title;
                       }
                       const int page_size = PageSize(request->page_size(), kDefaultLogsPage, kMaxLogsPage);
                       FillLogPage(run, request->after(), page_size, only, response);
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* RunServiceImpl::ScheduleRun(grpc::CallbackServerContext* context,
                                                      const wire::ScheduleRunRequest* request,
                                                      wire::ScheduleRunResponse* response) {
  return desk_->Compute(
      context, Rpc::kScheduleRun, *previews_, [request, response](StateReader& reader, const Caller& caller) -> Status {
        StatusOr<std::vector<TimedTask>> recorded = std::vector<TimedTask>();
        LWQ_RETURN_IF_ERROR(reader.Look([&](const State& state) {
          const StatusOr<RunId> id = VisibleRun(state, caller, request->run_id());
          recorded = id.ok() ? RecordedTasks(state, state.runs.at(*id)) : id.status();
        }));
        LWQ_RETURN_IF_ERROR(recorded.status());
        if (request->workers_size() > kMaxSchedules) {
          return absl::InvalidArgumentError(absl::StrCat("workers has ", request->workers_size(), " numbers, at most ",
                                                         kMaxSchedules, " are answered at once"));
        }
        for (const int workers : request->workers()) {
          LWQ_ASSIGN_OR_RETURN(const double seconds, SecondsWithWorkers(*recorded, workers));
          wire::ScheduleRunResponse::Schedule* schedule = response->add_schedules();
          schedule->set_workers(workers);
          schedule->set_seconds(seconds);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* RunServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                      const wire::ListWorkersRequest* /*request*/,
                                                      wire::ListWorkersResponse* response) {
  return desk_->Read(context, Rpc::kListWorkers,
                     [response](const State& state, Instant now, const Caller& caller) -> Status {
                       for (const auto& [id, worker] : state.workers) {
                         wire::WorkerInfo* info = response->add_workers();
                         WorkerToWire(state, worker, now, info);
                         // What others have executed is theirs to know.
                         if (worker.lease.has_value() && !MaySee(state, caller, state.tasks.at(*worker.lease)))
                           info->set_task("(of others)");
                         if (!caller.projects().all()) info->clear_failures();
                       }
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* RunServiceImpl::ReleaseWorker(grpc::CallbackServerContext* context,
                                                        const wire::ReleaseWorkerRequest* request,
                                                        wire::ReleaseWorkerResponse* response) {
  const StatusOr<Caller> caller = desk_->Enter(context, Rpc::kReleaseWorker);
  if (!caller.ok()) return Desk::Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  desk_->runtime()->Post(coordinator::ReleaseWorker{request->worker()},
                         [reactor, response](const Status& status, const Reply& reply, const State* state) {
                           if (status.ok()) {
                             const WorkerEntry& worker = state->workers.at(std::get<WorkerReply>(reply).worker);
                             WorkerToWire(*state, worker, Instant{.steady_ms = state->now_ms, .unix_ms = 0},
                                          response->mutable_worker());
                           }
                           reactor->Finish(ToGrpc(status));
                         });
  return reactor;
}

}  // namespace lwq::coordinator
