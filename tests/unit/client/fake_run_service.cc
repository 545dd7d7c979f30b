// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/client/fake_run_service.h"

#include <algorithm>
#include <thread>

#include "common/rpc/channel.h"
#include "common/text/name_pattern.h"
#include "reporting/run_facts.h"

namespace lwq::test {
namespace {

grpc::Status NoRun(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND, "no run \"" + id + "\"; lwq list shows the runs"};
}

}  // namespace

lwqat::v1::Run* FakeRunService::Find(const std::string& prefix) {
  const auto is_it = [&](const lwqat::v1::Run& run) { return run.id().rfind(prefix, 0) == 0; };
  const auto found = std::find_if(runs.begin(), runs.end(), is_it);
  if (found != runs.end()) return &*found;
  const bool watched = !watch_calls.empty() && !watch_calls.front().empty() && is_it(watch_calls.front().front());
  return watched ? &watch_calls.front().front() : nullptr;
}

grpc::Status FakeRunService::GetServerInfo(grpc::ServerContext*, const lwqat::v1::GetServerInfoRequest*,
                                           lwqat::v1::GetServerInfoResponse* response) {
  std::lock_guard lock(mutex_);
  response->set_objects_uri(objects_uri);
  return grpc::Status::OK;
}

grpc::Status FakeRunService::PlanRun(grpc::ServerContext*, const lwqat::v1::PlanRunRequest* request,
                                     lwqat::v1::PlanRunResponse* response) {
  std::lock_guard lock(mutex_);
  planned.push_back(request->spec());
  if (Refuses(request->spec())) return submit_error;
  *response->mutable_plan() = plan;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::SubmitRun(grpc::ServerContext*, const lwqat::v1::SubmitRunRequest* request,
                                       lwqat::v1::SubmitRunResponse* response) {
  std::lock_guard lock(mutex_);
  submitted.push_back(*request);
  if (unavailable_submits > 0) {
    --unavailable_submits;
    return {grpc::StatusCode::UNAVAILABLE, "starting"};
  }
  if (Refuses(request->spec())) return submit_error;
  for (size_t i = 0; i + 1 < submitted.size(); ++i) {  // idempotent
    if (submitted[i].request_id() == request->request_id() && Find("feed000" + std::to_string(i)) != nullptr) {
      *response->mutable_run() = *Find("feed000" + std::to_string(i));
      return grpc::Status::OK;
    }
  }
  lwqat::v1::Run run;
  run.set_id("feed000" + std::to_string(submitted.size() - 1) + "-0000");
  *run.mutable_spec() = request->spec();
  run.set_state(lwqat::v1::RUN_STATE_RUNNING);
  runs.insert(runs.begin(), run);
  *response->mutable_run() = run;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::SubmitRuns(grpc::ServerContext* context, const lwqat::v1::SubmitRunsRequest* request,
                                        lwqat::v1::SubmitRunsResponse* response) {
  With([&](FakeRunService& service) { service.together.push_back(*request); });
  for (const lwqat::v1::SubmitRunRequest& run : request->runs()) {
    if (request->validate_only()) {
      lwqat::v1::PlanRunRequest one;
      *one.mutable_spec() = run.spec();
      lwqat::v1::PlanRunResponse planned_one;
      if (const grpc::Status status = PlanRun(context, &one, &planned_one); !status.ok()) return status;
      *response->add_plans() = planned_one.plan();
    } else {
      lwqat::v1::SubmitRunResponse submitted_one;
      if (const grpc::Status status = SubmitRun(context, &run, &submitted_one); !status.ok()) return status;
      *response->add_runs() = submitted_one.run();
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeRunService::GetRun(grpc::ServerContext*, const lwqat::v1::GetRunRequest* request,
                                    lwqat::v1::GetRunResponse* response) {
  std::lock_guard lock(mutex_);
  lwqat::v1::Run* run = Find(request->run_id());
  if (run == nullptr) return NoRun(request->run_id());
  if (!remade.empty()) on_remake(run, ++asked_since_remake_);
  *response->mutable_run() = *run;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::RemakeArtifact(grpc::ServerContext*, const lwqat::v1::RemakeArtifactRequest* request,
                                            lwqat::v1::RemakeArtifactResponse* response) {
  std::lock_guard lock(mutex_);
  lwqat::v1::Run* run = Find(request->run_id());
  if (run == nullptr || !on_remake) return NoRun(request->run_id());
  remade.push_back(*request);
  on_remake(run, 0);
  *response->mutable_run() = *run;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::ListRuns(grpc::ServerContext*, const lwqat::v1::ListRunsRequest* request,
                                      lwqat::v1::ListRunsResponse* response) {
  if (const grpc::Status status = on_list(); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  size_t next = request->page_token().empty() ? 0 : std::stoul(request->page_token());
  const size_t page = std::min<size_t>(page_lines, static_cast<size_t>(request->page_size()));
  for (size_t i = 0; i < page && next < runs.size(); ++i, ++next) {
    if (MatchesPattern(runs[next].spec().name(), request->name())) *response->add_runs() = runs[next];
  }
  if (next < runs.size()) response->set_next_page_token(std::to_string(next));
  return grpc::Status::OK;
}

grpc::Status FakeRunService::WatchRun(grpc::ServerContext*, const lwqat::v1::WatchRunRequest* request,
                                      grpc::ServerWriter<lwqat::v1::WatchRunResponse>* writer) {
  std::vector<lwqat::v1::Run> states;
  {
    std::lock_guard lock(mutex_);
    const lwqat::v1::Run* run = Find(request->run_id());
    if (watch_calls.empty() && run == nullptr) return NoRun(request->run_id());
    if (watch_calls.empty()) {
      states = {*run};
    } else {
      if (watch_calls_made_ >= watch_calls.size()) return {grpc::StatusCode::UNAVAILABLE, "gone"};
      states = watch_calls[watch_calls_made_++];
    }
  }
  for (const lwqat::v1::Run& state : states) {
    lwqat::v1::WatchRunResponse response;
    *response.mutable_run() = state;
    response.set_more(reporting::HasEnded(state) && &state != &states.back());
    writer->Write(response);
  }
  on_watch();
  if (!states.empty() && reporting::HasEnded(states.back())) return grpc::Status::OK;
  return {grpc::StatusCode::UNAVAILABLE, "lost"};
}

grpc::Status FakeRunService::CancelRun(grpc::ServerContext*, const lwqat::v1::CancelRunRequest* request,
                                       lwqat::v1::CancelRunResponse* response) {
  std::lock_guard lock(mutex_);
  lwqat::v1::Run* run = Find(request->run_id());
  if (run == nullptr) return NoRun(request->run_id());
  cancelled.push_back(run->id());
  if (!reporting::IsTerminal(run->state())) run->set_state(lwqat::v1::RUN_STATE_CANCELLED);
  *response->mutable_run() = *run;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::GetRunLogs(grpc::ServerContext*, const lwqat::v1::GetRunLogsRequest* request,
                                        lwqat::v1::GetRunLogsResponse* response) {
  std::lock_guard lock(mutex_);
  if (Find(request->run_id()) == nullptr) return NoRun(request->run_id());
  for (const lwqat::v1::LogLine& line : log_lines) {
    if (line.sequence() <= request->after()) continue;
    if (!request->task().empty() && line.task() != request->task()) continue;
    if (static_cast<size_t>(response->lines_size()) == page_lines) {
      response->set_more(true);
      break;
    }
    *response->add_lines() = line;
  }
  return grpc::Status::OK;
}

grpc::Status FakeRunService::ListWorkers(grpc::ServerContext*, const lwqat::v1::ListWorkersRequest*,
                                         lwqat::v1::ListWorkersResponse* response) {
  std::lock_guard lock(mutex_);
  for (const lwqat::v1::WorkerInfo& worker : workers) *response->add_workers() = worker;
  return grpc::Status::OK;
}

grpc::Status FakeRunService::ReleaseWorker(grpc::ServerContext*, const lwqat::v1::ReleaseWorkerRequest* request,
                                           lwqat::v1::ReleaseWorkerResponse* response) {
  std::lock_guard lock(mutex_);
  for (lwqat::v1::WorkerInfo& worker : workers) {
    if (worker.name() != request->worker()) continue;
    worker.clear_quarantine();
    worker.clear_failures();
    *response->mutable_worker() = worker;
    return grpc::Status::OK;
  }
  return {grpc::StatusCode::NOT_FOUND, "worker '" + request->worker() + "' is not known"};
}

grpc::Status FakeSweepService::PlanSweep(grpc::ServerContext* context, const lwqat::v1::PlanSweepRequest* request,
                                         lwqat::v1::PlanSweepResponse* response) {
  planned.push_back(request->spec());
  *response->mutable_plan() = plan;
  for (const lwqat::v1::SweepRun& run : request->spec().runs()) {
    lwqat::v1::PlanRunRequest one;
    *one.mutable_spec() = run.spec();
    lwqat::v1::PlanRunResponse planned_one;
    if (const grpc::Status status = runs_->PlanRun(context, &one, &planned_one); !status.ok()) return status;
    *response->mutable_plan()->add_plans() = planned_one.plan();
  }
  return grpc::Status::OK;
}

grpc::Status FakeSweepService::SubmitSweep(grpc::ServerContext* context, const lwqat::v1::SubmitSweepRequest* request,
                                           lwqat::v1::SubmitSweepResponse* response) {
  if (!refused.ok()) return refused;
  if (request->validate_only()) return grpc::Status::OK;
  request_ids.push_back(request->request_id());
  const std::string spec = request->spec().DebugString();  // whose maps are sorted
  if (const auto before = requests_.find(request->request_id()); before != requests_.end()) {
    if (before->second.first != spec) return {grpc::StatusCode::ALREADY_EXISTS, "request_id was used before"};
    *response->mutable_sweep() = sweeps[before->second.second];
    return grpc::Status::OK;
  }
  submitted.push_back(*request);
  response->mutable_sweep()->set_id("5eed0000000" + std::to_string(sweeps.size()));
  response->mutable_sweep()->set_name(request->spec().name());
  for (const lwqat::v1::SweepRun& run : request->spec().runs()) {
    lwqat::v1::SubmitRunRequest one;
    *one.mutable_spec() = run.spec();
    one.set_request_id(request->request_id() + " " + run.spec().name());
    lwqat::v1::SubmitRunResponse submitted_one;
    if (const grpc::Status status = runs_->SubmitRun(context, &one, &submitted_one); !status.ok()) return status;
    lwqat::v1::Sweep::Member* member = response->mutable_sweep()->add_members();
    member->set_run_id(submitted_one.run().id());
    member->set_state(submitted_one.run().state());
    *member->mutable_labels() = run.labels();
  }
  if (request->spec().has_halving()) *response->mutable_sweep()->mutable_halving() = request->spec().halving();
  on_submit(request->spec(), response->mutable_sweep());
  requests_[request->request_id()] = {spec, sweeps.size()};
  sweeps.push_back(response->sweep());
  return grpc::Status::OK;
}

grpc::Status FakeRunService::WatchRuns(grpc::ServerContext* context, const lwqat::v1::WatchRunsRequest*,
                                       grpc::ServerWriter<lwqat::v1::WatchRunsResponse>* writer) {
  lwqat::v1::WatchRunsResponse response;
  response.set_all_again(true);
  With([&](FakeRunService& service) {
    for (const lwqat::v1::Run& run : service.runs) *response.add_runs() = run;
  });
  writer->Write(response);
  while (!context->IsCancelled()) std::this_thread::yield();
  return grpc::Status::CANCELLED;
}

grpc::Status FakeSweepService::GetSweep(grpc::ServerContext*, const lwqat::v1::GetSweepRequest* request,
                                        lwqat::v1::GetSweepResponse* response) {
  for (const lwqat::v1::Sweep& sweep : sweeps) {
    if (sweep.id() != request->sweep_id()) continue;
    *response->mutable_sweep() = sweep;
    return grpc::Status::OK;
  }
  return {grpc::StatusCode::NOT_FOUND, "no sweep \"" + request->sweep_id() + "\""};
}

grpc::Status FakeSweepService::WatchSweep(grpc::ServerContext*, const lwqat::v1::WatchSweepRequest* request,
                                          grpc::ServerWriter<lwqat::v1::WatchSweepResponse>* writer) {
  const size_t call = resume_tokens.size();
  const bool told = call < watch_calls.size();
  resume_tokens.push_back(request->resume_token());
  lwqat::v1::WatchSweepResponse response;
  runs_->With([&](FakeRunService& service) {
    for (lwqat::v1::Run& run : service.runs) {
      if (told) watch_calls[call](run);
      *response.add_runs() = run;
    }
  });
  const bool last = told && call + 1 == watch_calls.size();
  response.set_all_again(call == 0);
  response.set_all_ended(last);
  response.set_resume_token("token " + std::to_string(call));
  writer->Write(response);
  runs_->on_watch();
  return last ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost");
}

grpc::Status FakeSweepService::ListSweeps(grpc::ServerContext*, const lwqat::v1::ListSweepsRequest*,
                                          lwqat::v1::ListSweepsResponse* response) {
  for (auto sweep = sweeps.rbegin(); sweep != sweeps.rend(); ++sweep) {
    *response->add_sweeps() = *sweep;
    response->mutable_sweeps()->rbegin()->clear_members();
  }
  return grpc::Status::OK;
}

grpc::Status FakeSweepService::CancelSweep(grpc::ServerContext*, const lwqat::v1::CancelSweepRequest*,
                                           lwqat::v1::CancelSweepResponse*) {
  return {grpc::StatusCode::NOT_FOUND, "no sweep"};
}

FakeServer::FakeServer(grpc::Service* service, grpc::Service* other) {
  int port = 0;
  grpc::ServerBuilder builder;
  ListenOn("127.0.0.1:0", builder, &port);
  builder.RegisterService(service);
  if (other != nullptr) builder.RegisterService(other);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeServer::~FakeServer() {
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

}  // namespace lwq::test
