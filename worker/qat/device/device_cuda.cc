// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/device_cuda.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

// Set by CMake where LibTorch's CUDA libraries are linked.
#ifdef LWQ_TORCH_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#endif

namespace lwq::qat {

bool TorchHasCuda() {
  return at::globalContext().hasCUDA() || at::detail::getCUDAHooks().hasCUDART();
}

int CudaDeviceCount() {
#if TORCH_VERSION_MAJOR >= 2 && TORCH_VERSION_MINOR >= 6
  return TorchHasCuda() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
#else
  return TorchHasCuda() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
#endif
}

#ifdef LWQ_TORCH_CUDA

namespace {
constexpr size_t kAggregate = 0;  // StatType::AGGREGATE
}

CudaDeviceFacts InspectCuda(int index) {
  CudaDeviceFacts facts;
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return facts;
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  facts.model = properties.name;
  facts.libraries = absl::StrCat("cuda-", runtime / 1000, ".", runtime % 1000 / 10);
  if (at::detail::getCUDAHooks().compiledWithCuDNN()) {
    absl::StrAppend(&facts.libraries, " cudnn-", at::detail::getCUDAHooks().versionCuDNN());
  }
  facts.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  facts.hardware_bf16 = properties.major >= 8;
  return facts;
}

void SetCudaMemoryLimit(int index, int64_t limit_bytes) {
  at::globalContext().lazyInitCUDA();
  const int64_t total = InspectCuda(index).memory_bytes;
  const double fraction =
      limit_bytes > 0 && total > 0 ? static_cast<double>(limit_bytes) / static_cast<double>(total) : 1;
  c10::cuda::CUDACachingAllocator::setMemoryFraction(std::min(fraction, 1.0), index);
}

CudaMemory CudaMemoryUse(int index) {
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(index).allocated_bytes[kAggregate];
  return {stats.current, stats.peak};
}

void ResetCudaPeak(int index) {
  c10::cuda::CUDACachingAllocator::resetPeakStats(index);
}

void ReleaseCudaCache() {
  if (CudaDeviceCount() > 0) c10::cuda::CUDACachingAllocator::emptyCache();
}

#else

CudaDeviceFacts InspectCuda(int /*index*/) {
  return {};
}
void SetCudaMemoryLimit(int /*index*/, int64_t /*limit_bytes*/) {}
CudaMemory CudaMemoryUse(int /*index*/) {
  return {};
}
void ResetCudaPeak(int /*index*/) {}
void ReleaseCudaCache() {}

#endif

}  // namespace lwq::qat
