// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/evaluate/activation_spill.h"

#include <ATen/ops/empty.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/status/out_of_storage.h"
#include "common/status/status.h"
#include "worker/qat/device/torch_guard.h"

namespace lwq::qat {
namespace {

[[noreturn]] void ThrowIoError(std::string_view what, const std::string& directory, int error) {
  const std::string message = absl::StrCat(what, " activations in ", directory, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    throw StatusError(OutOfStorageError(absl::StrCat(message, "; free space or choose another scratch directory")));
  }
  throw StatusError(absl::UnavailableError(message));
}

}  // namespace

ActivationSpill::ActivationSpill(std::string directory, int64_t seqlen, int64_t hidden_size)
    : directory_(std::move(directory)), seqlen_(seqlen), hidden_size_(hidden_size) {
  std::string path = directory_ + "/lwq-activations-XXXXXX";
  fd_ = ::mkstemp(path.data());
  if (fd_ < 0) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("scratch directory '", directory_, "' cannot hold a file: ", std::strerror(errno))));
  }
  ::unlink(path.c_str());
}

ActivationSpill::~ActivationSpill() {
  ::close(fd_);
}

int64_t ActivationSpill::SampleBytes() const {
  return seqlen_ * hidden_size_ * static_cast<int64_t>(sizeof(float));
}

void ActivationSpill::Write(int64_t first, const at::Tensor& samples) {
  const at::Tensor values = samples.to(at::kCPU, at::kFloat).contiguous();
  const auto* data = static_cast<const char*>(values.data_ptr());
  const int64_t bytes = values.size(0) * SampleBytes();
  for (int64_t done = 0; done < bytes;) {
    const ssize_t written = ::pwrite(fd_, data + done, static_cast<size_t>(bytes - done), first * SampleBytes() + done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ThrowIoError("writing", directory_, written < 0 ? errno : ENOSPC);
    done += written;
  }
}

at::Tensor ActivationSpill::Read(int64_t first, int64_t count, at::Device device) const {
  const at::Tensor values = at::empty({count, seqlen_, hidden_size_}, at::kFloat);
  auto* data = static_cast<char*>(values.data_ptr());
  const int64_t bytes = count * SampleBytes();
  for (int64_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(fd_, data + done, static_cast<size_t>(bytes - done), first * SampleBytes() + done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) ThrowIoError("reading", directory_, got < 0 ? errno : EIO);
    done += got;
  }
  return values.to(device);
}

}  // namespace lwq::qat
