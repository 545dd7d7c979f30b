// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qat/failing_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

#include <atomic>
#include <cstring>

namespace lwq::qat {

class FailingAllocator::Counting final : public c10::Allocator {
 public:
  explicit Counting(int64_t refused) : below_(c10::GetAllocator(c10::DeviceType::CPU)), refused_(refused) {}

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
    return below_->raw_deleter();
  }

  c10::Allocator* below() const {
    return below_;
  }
  int64_t requests() const {
    return requests_.load();
  }

 private:
  c10::DataPtr Take(size_t bytes) const {
    TORCH_CHECK_WITH(OutOfMemoryError, ++requests_ != refused_, "a tensor of ", bytes, " bytes was refused by a test");
    return below_->allocate(bytes);
  }

  c10::Allocator* const below_;
  const int64_t refused_;
  mutable std::atomic<int64_t> requests_{0};
};

namespace {
constexpr uint8_t kPriority = 255;  // above every other
}  // namespace

FailingAllocator::FailingAllocator(int64_t refused) : counting_(std::make_unique<Counting>(refused)) {
  c10::SetCPUAllocator(counting_.get(), kPriority);
}

FailingAllocator::~FailingAllocator() {
  c10::SetCPUAllocator(counting_->below(), kPriority);
}

int64_t FailingAllocator::requests() const {
  return counting_->requests();
}

}  // namespace lwq::qat
