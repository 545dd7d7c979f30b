// SPDX-License-Identifier: Apache-2.0
// Where LibTorch's exceptions become statuses: every public function of worker/qat runs its body inside TorchGuard.
//
//   StatusOr<Outcome> TrainBlock(…) {
//     return TorchGuard("training a block", [&]() -> StatusOr<Outcome> { … });
//   }
//
// RESOURCE_EXHAUSTED: the CPU allocator's cap, std::bad_alloc, CUDA out of memory (cached blocks are released, so that
// a smaller attempt can start clean). StatusError: the status it carries. Everything else: INTERNAL with the first line
// of the message.
// Free of LibTorch headers.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/status/status.h"

namespace lwq::qat {

// A status on its way through code that returns tensors. Never leaves worker/qat: TorchGuard turns it back.
class StatusError : public std::exception {
 public:
  explicit StatusError(Status status) : status_(std::move(status)), text_(status_.ToString()) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Status status_;
  std::string text_;
};

// Throws StatusError unless OK; the value otherwise.
inline void OrThrow(const Status& status) {
  if (!status.ok()) throw StatusError(status);
}
template <typename T>
T OrThrow(StatusOr<T> value) {
  if (!value.ok()) throw StatusError(value.status());
  return std::move(value).value();
}

// Call inside a catch block: the exception being handled as a status, "what: …". Never OK.
Status StatusFromCurrentException(std::string_view what);

// RESOURCE_EXHAUSTED for want of memory, not of storage.
bool IsOutOfMemory(const Status& status);

namespace internal {
template <typename R>
struct GuardResult {
  using type = StatusOr<R>;
};
template <>
struct GuardResult<void> {
  using type = Status;
};
template <>
struct GuardResult<Status> {
  using type = Status;
};
template <typename T>
struct GuardResult<StatusOr<T>> {
  using type = StatusOr<T>;
};
}  // namespace internal

// Runs `body`. Returns its Status or StatusOr unchanged, its plain value as StatusOr, OK for void; an exception as
// above.
template <typename Body>
auto TorchGuard(std::string_view what, Body&& body) ->
    typename internal::GuardResult<std::invoke_result_t<Body&>>::type {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body&>>) {
      body();
      return absl::OkStatus();
    } else {
      return body();
    }
  } catch (...) {
    return StatusFromCurrentException(what);
  }
}

}  // namespace lwq::qat
