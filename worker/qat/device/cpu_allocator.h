// SPDX-License-Identifier: Apache-2.0
// HostMemory as LibTorch's CPU allocator: every CPU tensor of this process is counted and cached there.
//
// Thread-safety: any thread. A refused request throws c10::OutOfMemoryError, which TorchGuard makes RESOURCE_EXHAUSTED.
#pragma once

#include "worker/qat/device/host_memory.h"

namespace lwq::qat {

// The process's tensor memory; lives for ever. Counts nothing until InstallCpuAllocator.
HostMemory& CpuTensorMemory();

// Tensors made from now on live in CpuTensorMemory(). Calling it again changes nothing.
void InstallCpuAllocator();

}  // namespace lwq::qat
