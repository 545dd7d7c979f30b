// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/cpu_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

#include <cstring>

namespace lwq::qat {
namespace {

constexpr uint8_t kPriority = 100;  // above LibTorch's own

void FreeTensorMemory(void* block) {
  CpuTensorMemory().Free(block);
}

class CpuAllocator final : public c10::Allocator {
 public:
#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(size_t bytes) override {
    return Take(bytes);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override {
    return Take(bytes);
  }
#endif
  c10::DeleterFnPtr raw_deleter() const override {
    return &FreeTensorMemory;
  }

 private:
  static c10::DataPtr Take(size_t bytes) {
    StatusOr<void*> block = CpuTensorMemory().Allocate(static_cast<int64_t>(bytes));
    TORCH_CHECK_WITH(OutOfMemoryError, block.ok(), std::string(block.status().message()));
    return {*block, *block, &FreeTensorMemory, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

HostMemory& CpuTensorMemory() {
  static auto* memory = new HostMemory;
  return *memory;
}

void InstallCpuAllocator() {
  static auto* allocator = [] {
    auto* made = new CpuAllocator;
    c10::SetCPUAllocator(made, kPriority);
    return made;
  }();
  (void)allocator;
}

}  // namespace lwq::qat
