// SPDX-License-Identifier: Apache-2.0
// InitRuntime, InspectDevice and memory use of worker/qat/api/execution.h.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/file/small_file.h"
#include "worker/qat/api/execution.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/device/device.h"
#include "worker/qat/device/device_cuda.h"
#include "worker/qat/device/first_calls.h"
#include "worker/qat/device/self_check.h"
#include "worker/qat/device/torch_config.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {
namespace {

constexpr int kMaxThreads = 1024;

// What InitRuntime was told; written once, before any other call.
struct RuntimeState {
  at::Device device{at::kCPU};
  int max_threads = 1;
};
RuntimeState& State() {
  static RuntimeState state;
  return state;
}

std::string FirstLineOf(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string CpuModel() {
  const StatusOr<std::string> cpuinfo = ReadSmallFile("/proc/cpuinfo");
  return CpuModelOf(cpuinfo.ok() ? *cpuinfo : "");
}

// The machine's memory, or the container's where that is less.
int64_t CpuMemoryBytes() {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t limit_bytes = 0;
    if (absl::SimpleAtoi(FirstLineOf(path), &limit_bytes) && limit_bytes > 0) bytes = std::min(bytes, limit_bytes);
  }
  return bytes;
}

}  // namespace

Status InitRuntime(const RuntimeOptions& options) {
  if (options.max_threads < 1 || options.max_threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads is ", options.max_threads, ": use 1 to ", kMaxThreads, ", at most the machine's cores"));
  }
  if (options.memory_limit_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory limit is ", options.memory_limit_bytes, " bytes: use 0 (no limit) or more"));
  }
  return TorchGuard("starting LibTorch", [&]() -> Status {
    LWQ_ASSIGN_OR_RETURN(const at::Device device, OpenDevice(options.device));
    State() = {device, options.max_threads};
    InstallCpuAllocator();
    CallVectorFunctionsOnce();
    if (device.is_cuda()) {
      SetCudaMemoryLimit(device.index(), options.memory_limit_bytes);
    } else {
      CpuTensorMemory().SetLimit(options.memory_limit_bytes);
    }
    at::set_num_threads(options.max_threads);
    // fp32 means fp32, whatever the container's TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says: the numerics class does not name
    // it.
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
    return absl::OkStatus();
  });
}

DeviceInfo InspectDevice() {
  const RuntimeState& state = State();
  DeviceInfo info;
  info.device = state.device.str();
  info.instruction_set = InstructionSetName(ActiveInstructionSet());
  const StatusOr<LibraryFacts> facts = TorchGuard("self-check", [] { return InspectLibraries(); });
  if (facts.ok()) {
    info.libraries = DescribeLibraries(*facts);
    info.gemm_gflops = facts->gemm_gflops;
    info.problem = DiagnoseLibraries(*facts, state.max_threads);
  } else {
    info.problem = std::string(facts.status().message());
  }
  if (state.device.is_cuda()) {
    const CudaDeviceFacts cuda = InspectCuda(state.device.index());
    info.device_model = cuda.model;
    absl::StrAppend(&info.libraries, " ", cuda.libraries);
    info.hardware_bf16 = cuda.hardware_bf16;
    info.memory_bytes = cuda.memory_bytes;
  } else {
    info.device_model = CpuModel();
    info.hardware_bf16 = CpuHasBf16();
    info.memory_bytes = CpuMemoryBytes();
  }
  return info;
}

MemoryUse CurrentMemoryUse() {
  if (State().device.is_cuda()) {
    const CudaMemory use = CudaMemoryUse(State().device.index());
    return {use.current_bytes, use.peak_bytes};
  }
  const HostMemory::Use use = CpuTensorMemory().use();
  return {use.current_bytes, use.peak_bytes};
}

void ResetPeakMemoryUse() {
  if (State().device.is_cuda()) {
    ResetCudaPeak(State().device.index());
  } else {
    CpuTensorMemory().ResetPeak();
  }
}

}  // namespace lwq::qat
