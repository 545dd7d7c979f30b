// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/cluster.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include "common/json/json.h"
#include "common/rpc/channel.h"

namespace lwq::test {
namespace {

namespace pb = lwqat::v1;
using Clock = std::chrono::steady_clock;

std::vector<std::string> WithMore(std::vector<std::string> argv, const std::vector<std::string>& more) {
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

}  // namespace

std::string Binary(const std::string& name) {
  return std::string(LWQ_BINARY_DIR) + "/bin/" + name;
}

Cluster::Cluster(std::string directory, ClusterOptions options)
    : directory_(std::move(directory)), options_(options), workers_(static_cast<size_t>(options.workers)) {}

void Cluster::StartCoordinator() {
  const std::string address_file = directory_ + "/address";
  std::filesystem::remove(address_file);
  std::filesystem::create_directories(directory_ + "/coordinator");
  std::vector<std::string> more = options_.coordinator_flags;
  more.insert(more.end(), options_.more_flags.begin(), options_.more_flags.end());
  coordinator_ = Process(
      WithMore({Binary("lwq-coordinator"), "--listen", address_.empty() ? "127.0.0.1:0" : address_, "--store",
                options_.store_uri.empty() ? "sqlite:" + directory_ + "/coordinator/state.db" : options_.store_uri,
                "--objects", options_.objects_uri.empty() ? "file://" + objects_directory() : options_.objects_uri,
                "--lease-seconds", std::to_string(options_.lease_seconds), "--heartbeat-seconds",
                std::to_string(options_.heartbeat_seconds), "--activation-bytes",
                std::to_string(options_.activation_bytes), "--address-file", address_file},
               more),
      directory_ + "/coordinator.log");
  const StatusOr<std::string> address = WaitForFile(address_file, 60);
  LWQ_CHECK(address.ok(), address.status().message(), "\n", Logs());
  address_ = *address;
  if (stub_ == nullptr) {
    stub_ = pb::RunService::NewStub(OpenChannel(address_, {.initial_backoff_ms = 50, .max_backoff_ms = 200}));
  }
}

void Cluster::StartWorker(int index) {
  const std::string name = "worker-" + std::to_string(index + 1);
  std::vector<std::string> command = {"/usr/bin/env"};
  command.insert(command.end(), options_.worker_environment.begin(), options_.worker_environment.end());
  command.insert(
      command.end(),
      {Binary("lwq-worker"), "--coordinator", coordinators_.empty() ? address_ : coordinators_, "--device", "cpu",
       "--name", name, "--cache-dir", directory_ + "/" + name, "--max-threads", std::to_string(options_.max_threads)});
  command.insert(command.end(), options_.worker_flags.begin(), options_.worker_flags.end());
  workers_[static_cast<size_t>(index)] =
      Process(WithMore(std::move(command), options_.more_flags), directory_ + "/" + name + ".log");
}

void Cluster::StartAll() {
  StartCoordinator();
  for (int i = 0; i < options_.workers; ++i) StartWorker(i);
}

void Cluster::KillCoordinator() {
  coordinator_.Kill();
}
void Cluster::KillWorker(int index) {
  worker(index).Kill();
}

std::string Cluster::Submit(const std::string& run_file) {
  const Finished finished = RunToEnd(
      {Binary("lwq"), "submit", run_file, "--coordinator", coordinators_.empty() ? address_ : coordinators_, "--json"},
      directory_);
  LWQ_CHECK(finished.exit_code == 0, "lwq submit: ", finished.err, "\n", Logs());
  const StatusOr<Json> json = ParseJson(finished.out, "lwq submit --json");
  LWQ_CHECK(json.ok() && json->contains("runs"), finished.out);
  return (*json)["runs"][0]["id"].get<std::string>();
}

pb::Run Cluster::Finish(const std::string& run_id) {
  StatusOr<pb::Run> run = Wait(run_id, kDeadlineSeconds, nullptr);
  LWQ_CHECK(run.ok(), run.status().ToString());
  LWQ_CHECK(run->state() == pb::RUN_STATE_SUCCEEDED, run->error(), "\n", Logs());
  return *std::move(run);
}

StatusOr<pb::Run> Cluster::Get(const std::string& run_id) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  context.set_wait_for_ready(true);
  pb::GetRunRequest request;
  request.set_run_id(run_id);
  pb::GetRunResponse response;
  const grpc::Status status = stub_->GetRun(&context, request, &response);
  if (!status.ok()) return Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  return response.run();
}

StatusOr<pb::Run> Cluster::Wait(const std::string& run_id, double seconds,
                                const std::function<void(const pb::Run&)>& seen) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  pb::WatchRunRequest request;
  request.set_run_id(run_id);
  pb::Run last;
  while (Clock::now() < end) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    const auto stream = stub_->WatchRun(&context, request);
    pb::WatchRunResponse response;
    while (stream->Read(&response)) {
      last = response.run();
      if (seen) seen(last);
    }
    (void)stream->Finish();  // broken by a kill, or its deadline: asked again
    if (last.state() >= pb::RUN_STATE_SUCCEEDED) return last;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return absl::DeadlineExceededError(
      absl::StrCat("run ", run_id, " did not end within ", seconds, " s:\n", last.DebugString(), "\n", Logs()));
}

std::string Cluster::Logs() const {
  std::string logs;
  for (const char* name : {"coordinator.log", "worker-1.log", "worker-2.log"}) {
    absl::StrAppend(&logs, "--- ", name, "\n", ReadFileOrEmpty(directory_ + "/" + name));
  }
  return logs;
}

int Executed(const pb::Run& run, const std::string& kind) {
  int executed = 0;
  for (const pb::Task& task : run.tasks()) {
    if ((kind.empty() || task.kind() == kind) && !task.from_cache()) ++executed;
  }
  return executed;
}

}  // namespace lwq::test
