// SPDX-License-Identifier: Apache-2.0
// The border between bytes (HostTensor) and LibTorch's tensors.
//
// Thread-safety: free functions without state. Bad input throws StatusError (see torch_guard.h) with INVALID_ARGUMENT;
// out of memory throws what the allocator throws: call inside TorchGuard.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/artifact/tensor.h"

namespace lwq::qat {

at::ScalarType ScalarTypeOf(DType dtype);
// Throws StatusError for a scalar type that files cannot hold (complex, bool, quantized).
DType DTypeOf(at::ScalarType type);

// A contiguous tensor with the values of `host` converted to `type` on `device`. Always a copy in LibTorch's memory, so
// it may be written in place. Throws StatusError when the bytes do not match the shape.
at::Tensor ToTensor(const HostTensor& host, at::ScalarType type, at::Device device);

// The tensor's values in its own dtype, row-major. Shares the memory of a contiguous CPU tensor (which must not be
// written afterwards; it stays counted by the allocator until the last HostTensor is gone), else copies.
HostTensor ToHostTensor(const at::Tensor& tensor);

}  // namespace lwq::qat
