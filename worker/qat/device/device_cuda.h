// SPDX-License-Identifier: Apache-2.0
// Everything that calls CUDA outside tensor operations, behind functions that exist in every build. Free of CUDA
// headers.
//
// Where LibTorch was built without CUDA, CudaDeviceCount is 0 and the others do nothing or return zeros.
#pragma once

#include <cstdint>
#include <string>

namespace lwq::qat {

bool TorchHasCuda();    // LibTorch was built with CUDA
int CudaDeviceCount();  // 0 without driver or device

struct CudaDeviceFacts {
  std::string model;      // "NVIDIA A100-SXM4-40GB"
  std::string libraries;  // "cuda-12.4 cudnn-90100"
  int64_t memory_bytes = 0;
  bool hardware_bf16 = false;
};
CudaDeviceFacts InspectCuda(int index);

// The caching allocator refuses to hold more than this; 0: no limit.
void SetCudaMemoryLimit(int index, int64_t limit_bytes);
struct CudaMemory {
  int64_t current_bytes = 0;
  int64_t peak_bytes = 0;
};
CudaMemory CudaMemoryUse(int index);
void ResetCudaPeak(int index);
void ReleaseCudaCache();

}  // namespace lwq::qat
