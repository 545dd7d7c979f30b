// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/loop/bench_coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <sstream>

#include "common/rpc/channel.h"
#include "common/status/status.h"

namespace lwq::bench {

void Must(const grpc::Status& status, const char* call) {
  LWQ_CHECK(status.ok(), call, ": ", status.error_message());
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  return OpenChannel(address, {.max_receive_bytes = 64 << 20, .own_connection = true});
}

double CpuSeconds(pid_t pid) {
  const std::string stat = test::ReadFileOrEmpty(absl::StrCat("/proc/", pid, "/stat"));
  // After the name in parentheses: state is the first field, utime and stime the 12th and 13th.
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Coordinator::Coordinator(const std::string& program, const std::vector<std::string>& flags) {
  const std::string address_file = directory_.path() + "/address";
  std::vector<std::string> command = {program,
                                      "--store",
                                      "sqlite:" + directory_.path() + "/state.db",
                                      "--objects",
                                      "file://" + directory_.path() + "/objects",
                                      "--address-file",
                                      address_file,
                                      "--log-level",
                                      "off"};
  command.insert(command.end(), flags.begin(), flags.end());
  process_ = test::Process(command, directory_.path() + "/log");
  const StatusOr<std::string> address = test::WaitForFile(address_file, 60);
  LWQ_CHECK(address.ok(), address.status().message());
  address_ = *address;
}

std::string Coordinator::web() const {
  constexpr std::string_view kBefore = "dashboard on http://";
  const std::string log = test::ReadFileOrEmpty(directory_.path() + "/log");
  const size_t at = log.find(kBefore);
  LWQ_CHECK(at != std::string::npos, "the coordinator names no dashboard: ", log);
  const size_t begin = at + kBefore.size();
  return log.substr(begin, log.find('/', begin) - begin);
}

Coordinator::~Coordinator() {
  process_.Signal(SIGTERM);
  process_.Wait();
}

wire::RunSpec NoopRun(int tasks, int seed) {
  wire::RunSpec spec;
  spec.mutable_recipe()->set_method("noop");
  spec.mutable_recipe()->set_train_size(tasks);
  spec.mutable_recipe()->set_seed(seed);
  return spec;
}

wire::RunSpec QuantizingRun(int seed) {
  wire::RunSpec spec;
  spec.mutable_model()->set_config_json(
      R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,"intermediate_size":11008,)"
      R"("num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":32,"vocab_size":32000,)"
      R"("max_position_embeddings":4096,"rms_norm_eps":1e-5,"hidden_act":"silu"})");
  for (wire::ArtifactRef* ref : {spec.mutable_model()->mutable_files(), spec.mutable_model()->mutable_tokenizer(),
                                 spec.mutable_calibration()->mutable_files()}) {
    ref->set_digest(std::string(64, 'a'));
    ref->set_size_bytes(1);
  }
  spec.mutable_recipe()->set_seed(seed);
  return spec;
}

std::string Submit(wire::RunService::Stub& runs, const wire::RunSpec& spec) {
  wire::SubmitRunRequest request;
  *request.mutable_spec() = spec;
  wire::SubmitRunResponse response;
  grpc::ClientContext context;
  Must(runs.SubmitRun(&context, request, &response), "SubmitRun");
  return response.run().id();
}

Worker::Worker(const Coordinator& coordinator) : stub_(wire::WorkerService::NewStub(coordinator.Connect())) {
  wire::RegisterWorkerRequest request;
  request.set_numerics_class("bench|none|none");
  request.set_memory_bytes(int64_t{1} << 40);
  request.set_max_threads(1);
  wire::RegisterWorkerResponse response;
  grpc::ClientContext context;
  Must(stub_->RegisterWorker(&context, request, &response), "RegisterWorker");
  id_ = response.worker_id();
}

int64_t Worker::Work(const std::atomic<bool>& stop, int64_t most) {
  int64_t done = 0;
  std::optional<wire::Lease> lease;
  while (!stop && done < most) {
    if (!lease.has_value()) {
      wire::LeaseTaskRequest request;
      request.set_worker_id(id_);
      wire::LeaseTaskResponse response;
      grpc::ClientContext context;
      Must(stub_->LeaseTask(&context, request, &response), "LeaseTask");
      if (!response.has_lease()) break;
      lease = response.lease();
    }
    wire::ReportTaskRequest report;
    report.set_worker_id(id_);
    report.set_task_key(lease->task_key());
    report.set_token(lease->token());
    report.mutable_success();
    report.set_lease_next(!stop && done + 1 < most);
    wire::ReportTaskResponse response;
    grpc::ClientContext context;
    Must(stub_->ReportTask(&context, report, &response), "ReportTask: a lease was lost");
    ++done;
    lease = response.has_next() ? std::optional(response.next()) : std::nullopt;
  }
  return done;
}

double Worker::HeartbeatMs() {
  wire::HeartbeatRequest request;
  request.set_worker_id(id_);
  wire::HeartbeatResponse response;
  grpc::ClientContext context;
  const auto start = std::chrono::steady_clock::now();
  Must(stub_->Heartbeat(&context, request, &response), "Heartbeat");
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace lwq::bench
