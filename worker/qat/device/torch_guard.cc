// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/torch_guard.h"

#include <c10/util/Exception.h>

#include <new>

#include "common/status/out_of_storage.h"
#include "worker/qat/device/cpu_allocator.h"
#include "worker/qat/device/device_cuda.h"

namespace lwq::qat {
namespace {

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

// CUDA's errors carry no type of their own before they reach the caching allocator, and cuBLAS's and cuDNN's never do.
bool SaysOutOfMemory(std::string_view text) {
  return text.find("out of memory") != std::string_view::npos ||
         text.find("can't allocate memory") != std::string_view::npos ||
         text.find("_STATUS_ALLOC_FAILED") != std::string_view::npos;
}

Status OutOfMemory(std::string_view what, std::string_view message) {
  CpuTensorMemory().ReleaseCached();
  ReleaseCudaCache();
  return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory: ", message));
}

}  // namespace

Status StatusFromCurrentException(std::string_view what) {
  try {
    throw;
  } catch (const StatusError& error) {
    return Annotate(error.status(), what);
  } catch (const c10::OutOfMemoryError& error) {
    return OutOfMemory(what, FirstLine(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const std::string_view message = FirstLine(error.what_without_backtrace());
    if (SaysOutOfMemory(message)) return OutOfMemory(what, message);
    return absl::InternalError(absl::StrCat(what, ": LibTorch failed: ", message));
  } catch (const std::bad_alloc&) {
    return OutOfMemory(what, "the system has no more memory; make the micro-batch smaller");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, ": ", FirstLine(error.what())));
  } catch (...) {
    return absl::InternalError(absl::StrCat(what, ": an exception that is not a std::exception"));
  }
}

bool IsOutOfMemory(const Status& status) {
  return absl::IsResourceExhausted(status) && !IsOutOfStorage(status);
}

}  // namespace lwq::qat
