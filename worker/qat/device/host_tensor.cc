// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/host_tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <memory>

#include "common/bytes/release_pages.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {

at::ScalarType ScalarTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return at::kFloat;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kU8:
      return at::kByte;
    case DType::kI8:
      return at::kChar;
    case DType::kI32:
      return at::kInt;
    case DType::kI64:
      return at::kLong;
    case DType::kF64:
      return at::kDouble;
  }
  LWQ_CHECK(false, "no such DType: ", static_cast<int>(dtype));
}

DType DTypeOf(at::ScalarType type) {
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kU8, DType::kI8, DType::kI32, DType::kI64, DType::kF64}) {
    if (ScalarTypeOf(dtype) == type) return dtype;
  }
  throw StatusError(absl::InvalidArgumentError(absl::StrCat(
      "a tensor of type ", c10::toString(type), " cannot be stored: convert it to a float or integer type")));
}

at::Tensor ToTensor(const HostTensor& host, at::ScalarType type, at::Device device) {
  const int64_t elements = OrThrow(ElementCount(host.shape));
  const int64_t bytes = elements * DTypeBytes(host.dtype);
  if (static_cast<int64_t>(host.bytes.size()) != bytes) {
    throw StatusError(absl::InvalidArgumentError(absl::StrCat("a tensor's shape needs ", bytes, " bytes but it has ",
                                                              host.bytes.size(), ": the file or message is damaged")));
  }
  const at::ScalarType host_type = ScalarTypeOf(host.dtype);
  at::Tensor tensor = at::empty(host.shape, at::TensorOptions().dtype(type).device(device));
  if (elements == 0) return tensor;
  if (host_type == type && device.is_cpu()) {
    std::memcpy(tensor.data_ptr(), host.bytes.data(), host.bytes.size());
    ReleasePages(host.bytes);
    return tensor;
  }
  // from_blob takes a pointer to non-const; the view is only read, and only inside this function.
  auto* data = const_cast<std::byte*>(host.bytes.data());
  tensor.copy_(at::from_blob(data, host.shape, at::TensorOptions().dtype(host_type)));
  ReleasePages(host.bytes);
  return tensor;
}

HostTensor ToHostTensor(const at::Tensor& tensor) {
  HostTensor host;
  host.dtype = DTypeOf(tensor.scalar_type());
  host.shape = tensor.sizes().vec();
  auto held = std::make_shared<const at::Tensor>(tensor.detach().to(at::kCPU).contiguous());
  const auto* data = static_cast<const std::byte*>(held->data_ptr());
  host.bytes = Bytes(held, data, held->nbytes());
  return host;
}

}  // namespace lwq::qat
