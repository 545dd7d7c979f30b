// SPDX-License-Identifier: Apache-2.0
// The activations of all windows between two blocks of an evaluation, in one unnamed file: read, computed and written
// back in place a micro-batch at a time. Float32 [samples, seqlen, hidden].
//
// The file is unlinked as soon as it is open, so nothing stays behind whatever happens. One thread. Throws StatusError:
// INVALID_ARGUMENT naming the directory when no file can be made there; RESOURCE_EXHAUSTED when the disk is full;
// UNAVAILABLE for other read and write errors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace lwq::qat {

class ActivationSpill {
 public:
  ActivationSpill(std::string directory, int64_t seqlen, int64_t hidden_size);
  ~ActivationSpill();
  ActivationSpill(const ActivationSpill&) = delete;
  ActivationSpill& operator=(const ActivationSpill&) = delete;

  // [n, seqlen, hidden], any device; stored from sample `first` on.
  void Write(int64_t first, const at::Tensor& samples);
  // Samples that were written before.
  at::Tensor Read(int64_t first, int64_t count, at::Device device) const;

 private:
  int64_t SampleBytes() const;

  std::string directory_;
  int64_t seqlen_;
  int64_t hidden_size_;
  int fd_ = -1;
};

}  // namespace lwq::qat
