// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/client/fake_run_service.h"

#include <algorithm>

#include "common/rpc/channel.h"
#include "reporting/run_facts.h"

namespace lwq::test {
namespace {

grpc::Status NoRun(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND, "no run \"" + id + "\"; lwq list shows the runs"};
}

}  // namespace

lwqat::v1::Run* FakeRunService::Find(const std::string& prefix) {
  const auto found =
      std::find_if(runs.begin(), runs.end(), [&](const auto& run) { return run.id().rfind(prefix, 0) == 0; });
  return found == runs.end() ? nullptr : &*found;
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
  for (size_t i = 0; i < page && next < runs.size(); ++i) *response->add_runs() = runs[next++];
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
    writer->Write(response);
  }
  on_watch();
  if (!states.empty() && reporting::IsTerminal(states.back().state())) return grpc::Status::OK;
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
  submitted.push_back(*request);
  response->mutable_sweep()->set_id("5eed00000000");
  response->mutable_sweep()->set_name(request->spec().name());
  for (const lwqat::v1::SweepRun& run : request->spec().runs()) {
    lwqat::v1::SubmitRunRequest one;
    *one.mutable_spec() = run.spec();
    one.set_request_id(run.spec().name());
    lwqat::v1::SubmitRunResponse submitted_one;
    if (const grpc::Status status = runs_->SubmitRun(context, &one, &submitted_one); !status.ok()) return status;
    lwqat::v1::Sweep::Member* member = response->mutable_sweep()->add_members();
    member->set_run_id(submitted_one.run().id());
    member->set_state(submitted_one.run().state());
    *member->mutable_labels() = run.labels();
  }
  return grpc::Status::OK;
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
