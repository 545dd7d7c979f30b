// SPDX-License-Identifier: Apache-2.0
// Errors as values: every fallible function returns absl::Status or absl::StatusOr<T>.
//
// A message says what failed, on which object, and what to do next; context (an id, a path) is added once, by the layer
// that knows it, with Annotate. Codes mean one thing each:
//   INVALID_ARGUMENT     the caller's input is wrong; never retried
//   NOT_FOUND            the named object does not exist
//   ALREADY_EXISTS       a conditional write lost: somebody else wrote first
//   ABORTED              a stale lease: drop the work and its output
//   FAILED_PRECONDITION  the event is illegal in this state, or the format is not supported
//   UNAVAILABLE          retry with back-off
//   RESOURCE_EXHAUSTED   out of memory, disk or quota
//   DATA_LOSS            stored bytes do not match their digest or their format
//   CANCELLED            the caller asked to stop
//   INTERNAL             a bug in this program
// A programmer's error is LWQ_CHECK: it prints and aborts.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

// Debian 12 builds absl for C++14, where absl::string_view is a class of its own that does not convert from
// std::string_view. These overloads let StrCat and StrAppend take ours; with an absl for C++17 they are not compiled.
#ifndef ABSL_USES_STD_STRING_VIEW
namespace lwq::internal {
template <typename... T>
concept HasStdStringView = (std::is_same_v<T, std::string_view> || ...);
template <typename T>
decltype(auto) ForAbsl(const T& piece) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return absl::string_view(piece.data(), piece.size());
  } else {
    return (piece);
  }
}
}  // namespace lwq::internal

namespace absl {
template <typename... T>
requires ::lwq::internal::HasStdStringView<T...> std::string StrCat(const T&... pieces) {
  return StrCat(AlphaNum(::lwq::internal::ForAbsl(pieces))...);
}
template <typename... T>
requires ::lwq::internal::HasStdStringView<T...>
void StrAppend(std::string* text, const T&... pieces) {
  StrAppend(text, AlphaNum(::lwq::internal::ForAbsl(pieces))...);
}
}  // namespace absl
#endif

namespace lwq {

using absl::Status;
using absl::StatusOr;

// status.message() as a std::string_view; valid while the status lives.
inline std::string_view MessageOf(const Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same code (and payloads), with "context: " in front of the message. An OK status is returned unchanged.
Status Annotate(const Status& status, std::string_view context);

namespace internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& message);
inline Status ToStatus(const Status& status) {
  return status;
}
template <typename T>
Status ToStatus(const StatusOr<T>& value) {
  return value.status();
}
}  // namespace internal

}  // namespace lwq

#define LWQ_RETURN_IF_ERROR(expr)                                   \
  do {                                                              \
    ::absl::Status lwq_status_ = ::lwq::internal::ToStatus((expr)); \
    if (!lwq_status_.ok()) return lwq_status_;                      \
  } while (false)

#define LWQ_CONCAT_INNER_(a, b) a##b
#define LWQ_CONCAT_(a, b) LWQ_CONCAT_INNER_(a, b)
#define LWQ_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                               \
  if (!tmp.ok()) return tmp.status();              \
  lhs = std::move(tmp).value()
// LWQ_ASSIGN_OR_RETURN(auto x, F()): x is the value, or the function returns the error.
#define LWQ_ASSIGN_OR_RETURN(lhs, expr) LWQ_ASSIGN_OR_RETURN_IMPL_(LWQ_CONCAT_(lwq_or_, __LINE__), lhs, expr)

// Aborts with file, line and the message parts (as absl::StrCat takes them) unless the condition holds.
#define LWQ_CHECK(condition, ...)                                                                                \
  do {                                                                                                           \
    if (!(condition)) ::lwq::internal::CheckFailed(__FILE__, __LINE__, #condition, ::absl::StrCat(__VA_ARGS__)); \
  } while (false)
