// SPDX-License-Identifier: Apache-2.0
// What the loop's benchmarks share: a coordinator's process, runs submitted to it, and workers that execute nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "lwqat/v1/run_service.grpc.pb.h"
#include "lwqat/v1/worker_service.grpc.pb.h"
#include "tests/testing/process.h"

namespace lwq::bench {

namespace wire = ::lwqat::v1;

// Ends the program with the call's name and the error.
void Must(const grpc::Status& status, const char* call);

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address);

// Seconds of processor time of a process so far, of all its threads.
double CpuSeconds(pid_t pid);

class Coordinator {
 public:
  // With a new SQLite store in a folder of its own.
  explicit Coordinator(const std::string& program, const std::vector<std::string>& flags = {});
  ~Coordinator();
  const std::string& address() const { return address_; }
  // Of a coordinator with --web-listen: HOST:PORT of its dashboard.
  std::string web() const;
  std::shared_ptr<grpc::Channel> Connect() const { return ConnectTo(address_); }
  double CpuSeconds() const { return bench::CpuSeconds(process_.pid()); }

 private:
  test::TemporaryDirectory directory_;
  test::Process process_;
  std::string address_;
};

// A run of so many tasks that do nothing; other seeds are other tasks.
wire::RunSpec NoopRun(int tasks, int seed);
// Block-AP of Llama-2-7B (32 blocks): about 100 tasks; other seeds are other tasks.
wire::RunSpec QuantizingRun(int seed);

std::string Submit(wire::RunService::Stub& runs, const wire::RunSpec& spec);

class Worker {
 public:
  explicit Worker(const Coordinator& coordinator);
  // Leases and finishes tasks until `stop`, or `most` are done; how many were. Ends the program where a lease was lost.
  int64_t Work(const std::atomic<bool>& stop, int64_t most);
  double HeartbeatMs();

 private:
  std::unique_ptr<wire::WorkerService::Stub> stub_;
  std::string id_;
};

}  // namespace lwq::bench
