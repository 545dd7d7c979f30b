// SPDX-License-Identifier: Apache-2.0
// Starts the tensor runtime as the worker does, on every core (or LWQ_BENCH_THREADS), says what the machine is, and
// runs the benchmarks.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "worker/qat/api/execution.h"
#include "worker/qat/device/library_settings.h"

int main(int argc, char** argv) {
  lwq::qat::EnsureLibrarySettings(argv);
  const char* wanted = std::getenv("LWQ_BENCH_THREADS");
  const int threads = wanted != nullptr ? std::atoi(wanted) : static_cast<int>(std::thread::hardware_concurrency());
  if (const lwq::Status status =
          lwq::qat::InitRuntime({.device = "cpu", .max_threads = threads, .memory_limit_bytes = 0});
      !status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  const lwq::qat::DeviceInfo device = lwq::qat::InspectDevice();
  benchmark::AddCustomContext("device", device.device_model);
  benchmark::AddCustomContext("libraries", device.libraries);
  benchmark::AddCustomContext("instruction_set", device.instruction_set);
  benchmark::AddCustomContext("threads", std::to_string(threads));
  if (!device.problem.empty()) std::cerr << "warning: " << device.problem << "\n";
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
