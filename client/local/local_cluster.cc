// SPDX-License-Identifier: Apache-2.0
#include "client/local/local_cluster.h"

#include <unistd.h>

#include <filesystem>

#include "client/base/exit_code.h"
#include "common/rpc/address.h"

namespace lwq::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char kCoordinator[] = "coordinator";

Status CheckBinary(const std::string& directory, const std::string& name) {
  const std::string path = absl::StrCat(directory, "/", name);
  if (access(path.c_str(), X_OK) == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("no program ", path, "; give the folder that holds it with --bin-dir"));
}

// Nobody is asked for a token here.
Status CheckDashboard(const std::string& address) {
  if (address.empty()) return absl::OkStatus();
  const StatusOr<HostPort> parsed = ParseHostPort(address);
  LWQ_RETURN_IF_ERROR(Annotate(parsed.status(), "--dashboard"));
  if (IsLoopback(parsed->host)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--dashboard ", address,
                   " lets anybody who reaches it do everything: give an address of this machine alone, as "
                   "127.0.0.1:",
                   parsed->port));
}

}  // namespace

LocalCluster::LocalCluster(const Options& options, const StateDirectory& state, Console* console, Interrupt* interrupt)
    : options_(options), state_path_(state.path()), console_(console), interrupt_(interrupt) {}

StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(const Options& options, const StateDirectory& state,
                                                            Console* console, Interrupt* interrupt) {
  LWQ_RETURN_IF_ERROR(CheckBinary(options.binary_directory, "lwq-coordinator"));
  if (options.workers > 0) LWQ_RETURN_IF_ERROR(CheckBinary(options.binary_directory, "lwq-worker"));
  LWQ_RETURN_IF_ERROR(CheckDashboard(options.dashboard));
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(options, state, console, interrupt));
  LWQ_RETURN_IF_ERROR(cluster->StartCoordinator());
  for (int number = 1; number <= options.workers; ++number) cluster->StartWorker(number);
  return cluster;
}

LocalCluster::~LocalCluster() {
  Stop();
}

SupervisedProcess::Callbacks LocalCluster::CallbacksFor(const std::string& name) {
  SupervisedProcess::Callbacks callbacks;
  callbacks.started = [this, name](pid_t pid, int starts) {
    if (!options_.quiet) console_->Err(absl::StrCat(name, ": pid ", pid, starts > 1 ? ", started again" : ""));
  };
  callbacks.died = [this, name](const std::string& why) {
    if (!interrupt_->raised()) console_->Err(absl::StrCat(name, " ", why, "; it is started again and nothing is lost"));
  };
  callbacks.gave_up = [this](const Status& why) {
    {
      const MutexLock lock(&mutex_);
      if (given_up_.ok()) given_up_ = WithExit(why, ExitCode::kFailed);
    }
    interrupt_->RaiseOnce(WithExit(why, ExitCode::kFailed));
  };
  return callbacks;
}

Status LocalCluster::StartCoordinator() {
  const std::string address_file = absl::StrCat(state_path_, "/coordinator/address");
  std::error_code ignored;
  std::filesystem::remove(address_file, ignored);
  ProcessSpec spec;
  spec.name = kCoordinator;
  spec.log_path = absl::StrCat(state_path_, "/logs/coordinator.log");
  spec.arguments = {absl::StrCat(options_.binary_directory, "/lwq-coordinator"),
                    "--listen",
                    "127.0.0.1:0",
                    "--store",
                    absl::StrCat("sqlite:", state_path_, "/coordinator/store.sqlite"),
                    "--objects",
                    absl::StrCat("file://", state_path_, "/objects"),
                    "--address-file",
                    address_file,
                    "--log-level",
                    options_.log_level};
  if (options_.activation_bytes.has_value()) {
    spec.arguments.push_back("--activation-bytes");
    spec.arguments.push_back(absl::StrCat(*options_.activation_bytes));
  }
  if (!options_.dashboard.empty()) {
    spec.arguments.push_back("--web-listen");
    spec.arguments.push_back(options_.dashboard);
  }
  SupervisedProcess::Callbacks callbacks = CallbacksFor(kCoordinator);
  callbacks.arguments = [address_file](std::vector<std::string> arguments) {
    const auto address = ReadNote(address_file);  // of the one that died
    if (address.ok() && !address->empty()) arguments[2] = *address;
    return arguments;
  };
  coordinator_ = std::make_unique<SupervisedProcess>(std::move(spec), std::move(callbacks));
  return AwaitAddress();
}

Status LocalCluster::AwaitAddress() {
  const std::string address_file = absl::StrCat(state_path_, "/coordinator/address");
  const auto give_up = steady_clock::now() + options_.start_timeout;
  while (true) {
    const auto address = ReadNote(address_file);
    if (address.ok() && !address->empty()) {
      address_ = *address;
      return absl::OkStatus();
    }
    {
      const MutexLock lock(&mutex_);
      if (!given_up_.ok()) return given_up_;
    }
    if (steady_clock::now() >= give_up) {
      return WithExit(absl::UnavailableError(absl::StrCat("the coordinator did not start within ",
                                                          options_.start_timeout.count() / 1000, " s; see ",
                                                          coordinator_->spec().log_path)),
                      ExitCode::kFailed);
    }
    if (interrupt_->WaitFor(milliseconds(10))) return interrupt_->reason();
  }
}

void LocalCluster::StartWorker(int number) {
  ProcessSpec spec;
  spec.name = absl::StrCat("worker-", number);
  spec.log_path = absl::StrCat(state_path_, "/logs/", spec.name, ".log");
  spec.arguments = {absl::StrCat(options_.binary_directory, "/lwq-worker"),
                    "--coordinator",
                    address_,
                    "--device",
                    options_.device,
                    "--name",
                    spec.name,
                    "--cache-dir",
                    absl::StrCat(state_path_, "/", spec.name),
                    "--max-threads",
                    absl::StrCat(options_.max_threads),
                    "--log-level",
                    options_.log_level};
  const auto add_if_set = [&](const char* flag, int64_t value) {
    if (value <= 0) return;
    spec.arguments.push_back(flag);
    spec.arguments.push_back(absl::StrCat(value));
  };
  add_if_set("--memory-limit-bytes", options_.memory_limit_bytes);
  add_if_set("--cache-bytes", options_.cache_bytes);
  std::error_code ignored;
  std::filesystem::create_directories(absl::StrCat(state_path_, "/", spec.name), ignored);
  const std::string name = spec.name;
  workers_.push_back(std::make_unique<SupervisedProcess>(std::move(spec), CallbacksFor(name)));
}

void LocalCluster::Stop(milliseconds grace) {
  const auto give_up = steady_clock::now() + grace;
  const auto left = [&] {
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(give_up - steady_clock::now()));
  };
  for (const auto& worker : workers_) worker->RequestStop();
  for (const auto& worker : workers_) {
    if (!worker->WaitStopped(left())) worker->Kill();
  }
  // Last, and with a grace of its own: workers that drain give their leases back to it.
  if (coordinator_ == nullptr) return;
  coordinator_->RequestStop();
  if (!coordinator_->WaitStopped(std::max(left(), milliseconds(2'000)))) coordinator_->Kill();
}

void LocalCluster::Kill() {
  for (const auto& worker : workers_) worker->Kill();
  if (coordinator_ != nullptr) coordinator_->Kill();
}

}  // namespace lwq::client
