// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/device.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "worker/qat/device/device_cuda.h"

namespace lwq::qat {
namespace {

constexpr std::string_view kCudaPrefix = "cuda:";
constexpr int kMaxIndex = 127;  // c10::DeviceIndex is eight bits

// The number after "cuda:", or -1.
int CudaIndex(std::string_view name) {
  if (!name.starts_with(kCudaPrefix)) return -1;
  name.remove_prefix(kCudaPrefix.size());
  int index = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  return error == std::errc() && end == name.data() + name.size() && index <= kMaxIndex ? index : -1;
}

}  // namespace

StatusOr<at::Device> OpenDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  const int index = CudaIndex(name);
  if (index < 0) {
    return absl::InvalidArgumentError(absl::StrCat("unknown device \"", name, "\": use cpu or cuda:N"));
  }
  if (!TorchHasCuda()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", name,
                     ": this LibTorch was built without CUDA; use --device cpu or a worker built against a "
                     "LibTorch with CUDA"));
  }
  const int devices = CudaDeviceCount();
  if (index >= devices) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", name, ": this machine has ", devices, " CUDA device(s), numbered from 0"));
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace lwq::qat
