// SPDX-License-Identifier: Apache-2.0
// What the services of clients have in common: calls that read the state or compute beside the loop, and pages.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/loop/background.h"
#include "coordinator/loop/runtime.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

inline constexpr int kDefaultPage = 50;
inline constexpr int kMaxPage = 200;

// What was asked for, or `by_default`, at most `max`.
int PageSize(int asked, int by_default, int max);

// A page token is "before-<sequence>": what has a smaller sequence follows. ParseToken: INVALID_ARGUMENT.
std::string TokenBefore(int64_t sequence);
StatusOr<int64_t> ParseToken(const std::string& token);

// Reads state on the loop's thread and finishes the call with what `answer` returns.
template <typename Answer>
grpc::ServerUnaryReactor* ReadAnswer(Runtime* runtime, grpc::CallbackServerContext* context, Answer answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  runtime->Read([reactor, answer = std::move(answer)](const State* state, Instant now) {
    reactor->Finish(ToGrpc(state == nullptr ? Stopping() : answer(*state, now)));
  });
  return reactor;
}

// Computes the answer beside the loop and finishes the call with what `answer` returns.
template <typename Answer>
grpc::ServerUnaryReactor* ComputeAnswer(Background& background, grpc::CallbackServerContext* context, Answer answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken = background.Post([reactor, context, answer = std::move(answer)](StateReader& reader) {
    reactor->Finish(context->IsCancelled() ? grpc::Status::CANCELLED : ToGrpc(answer(reader)));
  });
  if (!taken) {
    reactor->Finish(ToGrpc(absl::ResourceExhaustedError(
        absl::StrCat(Background::kMaxWaiting, " plans and schedules are being computed: try again"))));
  }
  return reactor;
}

// At how many runs or sweeps is looked for one page: a filter that nothing meets must not hold the loop.
inline constexpr int kLookedAt = 10'000;

// Fills a page, newest first, of what `by_sequence` (sequence -> id) has, with `add`, which is told each id and says
// whether it is on the page; the token of the next page, "" on the last. INVALID_ARGUMENT: the token of no page.
template <typename BySequence, typename Add>
StatusOr<std::string> FillPage(const BySequence& by_sequence, int page_size, const std::string& page_token, Add add) {
  auto next = by_sequence.rbegin();
  if (!page_token.empty()) {
    LWQ_ASSIGN_OR_RETURN(const int64_t before, ParseToken(page_token));
    next = std::make_reverse_iterator(by_sequence.lower_bound(before));
  }
  const int size = PageSize(page_size, kDefaultPage, kMaxPage);
  int added = 0;
  for (int looked = 0; added < size && looked < kLookedAt && next != by_sequence.rend(); ++looked, ++next) {
    if (add(next->second)) ++added;
  }
  return next == by_sequence.rend() ? "" : TokenBefore(next->first + 1);
}

}  // namespace lwq::coordinator
