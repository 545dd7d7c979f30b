// SPDX-License-Identifier: Apache-2.0
// How computations run: device, precision, threads; cancellation and progress.
#pragma once

#include <cstdint>
#include <string>

#include "common/export/progress.h"  // IWYU pragma: export
#include "common/status/status.h"

namespace lwq::qat {

enum class Precision { kF32, kBF16 };  // kBF16: autocast of matrix products with fp32 master weights

struct Execution {
  std::string device = "cpu";  // "cpu" or "cuda:N"
  Precision precision = Precision::kF32;
  int threads = 1;
};

// Call once per process, before anything else of worker/qat, on the thread that will do all tensor work. Installs the
// caching allocator with a cap of memory_limit_bytes (0: none; allocations beyond it fail the task with
// RESOURCE_EXHAUSTED), sets thread counts, opens the device. FAILED_PRECONDITION for "cuda:N" where LibTorch was built
// without CUDA or has no such device; INVALID_ARGUMENT for an unknown device.
struct RuntimeOptions {
  std::string device = "cpu";
  int max_threads = 1;
  int64_t memory_limit_bytes = 0;
};
Status InitRuntime(const RuntimeOptions& options);

// What the machine and its libraries are: everything that can change bits besides precision and threads.
struct DeviceInfo {
  std::string device;        // "cpu"
  std::string device_model;  // "AMD EPYC"
  // What the fused kernels use: "scalar", "avx2", "avx512", with "+bf16" and "+amx" where the CPU has them.
  std::string instruction_set;
  // "torch-1.13.0-AVX2 openblas-0.3.21-Haswell onednn-2.6.3 libm-2.36" (Debian's 1.13.1 calls itself 1.13.0), and what
  // the environment sets of them.
  std::string libraries;
  bool hardware_bf16 = false;
  int64_t memory_bytes = 0;  // of the device
  double gemm_gflops = 0;    // measured by the self-check, one thread, fp32
  std::string problem;       // empty, or what is wrong with this installation and what to do (reference BLAS, …)
};
// Takes about 50 ms. Runs the start-up self-check.
DeviceInfo InspectDevice();

// The allocator's exact accounting (CPU) or the caching allocator's (CUDA). ResetPeak starts a new maximum at the
// current use.
struct MemoryUse {
  int64_t current_bytes = 0;
  int64_t peak_bytes = 0;
};
MemoryUse CurrentMemoryUse();
void ResetPeakMemoryUse();

}  // namespace lwq::qat
