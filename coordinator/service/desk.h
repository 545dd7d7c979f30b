// SPDX-License-Identifier: Apache-2.0
// How calls are answered: let in by the gate, then by a look at the state, beside the loop, or by an event. So no
// answer can be written without saying which row of the table it is under.
//
// Thread-safety: any thread. Runtime and gate must outlive this, and this every call.
#pragma once

#include <string>
#include <utility>

#include "common/rpc/grpc_status.h"
#include "coordinator/loop/background.h"
#include "coordinator/loop/runtime.h"
#include "coordinator/service/gate.h"
#include "coordinator/service/visible.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

class Desk {
 public:
  Desk(Runtime* runtime, const Gate* gate) : runtime_(runtime), gate_(gate) {}

  Runtime* runtime() const { return runtime_; }
  const Gate* gate() const { return gate_; }

  StatusOr<Caller> Enter(grpc::CallbackServerContext* context, Rpc rpc) const { return gate_->Enter(*context, rpc); }
  static grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  // Reads state on the loop's thread and finishes the call with what answer(state, now, caller) returns.
  template <typename Answer>
  grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context, Rpc rpc, Answer answer) const {
    StatusOr<Caller> caller = Enter(context, rpc);
    if (!caller.ok()) return Refuse(context, caller.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    runtime_->Read([reactor, answer = std::move(answer), caller = *std::move(caller)](const State* state, Instant now) {
      reactor->Finish(ToGrpc(state == nullptr ? Stopping() : answer(*state, now, caller)));
    });
    return reactor;
  }

  // Computes the answer beside the loop and finishes the call with what answer(reader, caller) returns.
  template <typename Answer>
  grpc::ServerUnaryReactor* Compute(grpc::CallbackServerContext* context, Rpc rpc, Background& background,
                                    Answer answer) const {
    StatusOr<Caller> caller = Enter(context, rpc);
    if (!caller.ok()) return Refuse(context, caller.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool taken = background.Post(
        [reactor, context, answer = std::move(answer), caller = *std::move(caller)](StateReader& reader) {
          reactor->Finish(context->IsCancelled() ? grpc::Status::CANCELLED : ToGrpc(answer(reader, caller)));
        });
    if (!taken) {
      reactor->Finish(ToGrpc(absl::ResourceExhaustedError(
          absl::StrCat(Background::kMaxWaiting, " plans and schedules are being computed: try again"))));
    }
    return reactor;
  }

  // Posts event(id) for the run, or the sweep, once it is known to be one that the caller may have; `done` is told as
  // by Runtime::Post and returns what the call is finished with.
  template <typename MakeEvent, typename Done>
  grpc::ServerUnaryReactor* ChangeRun(grpc::CallbackServerContext* context, Rpc rpc, const std::string& id,
                                      MakeEvent event, Done done) const {
    return Change(context, rpc, id, &VisibleRun, std::move(event), std::move(done));
  }
  template <typename MakeEvent, typename Done>
  grpc::ServerUnaryReactor* ChangeSweep(grpc::CallbackServerContext* context, Rpc rpc, const std::string& id,
                                        MakeEvent event, Done done) const {
    return Change(context, rpc, id, &VisibleSweep, std::move(event), std::move(done));
  }

 private:
  template <typename Find, typename MakeEvent, typename Done>
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, Rpc rpc, const std::string& id, Find find,
                                   MakeEvent event, Done done) const {
    StatusOr<Caller> caller = Enter(context, rpc);
    if (!caller.ok()) return Refuse(context, caller.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto finish = [reactor, done = std::move(done)](const Status& status, const Reply& reply, const State* state) {
      reactor->Finish(ToGrpc(status.ok() ? done(reply, *state) : status));
    };
    if (caller->projects().all()) {
      runtime_->Post(event(id), std::move(finish));
      return reactor;
    }
    runtime_->Read([runtime = runtime_, reactor, id, find, event = std::move(event), finish = std::move(finish),
                    caller = *std::move(caller)](const State* state, Instant /*now*/) {
      if (state == nullptr) return reactor->Finish(ToGrpc(Stopping()));
      const auto found = find(*state, caller, id);
      if (!found.ok()) return reactor->Finish(ToGrpc(found.status()));
      runtime->Post(event(found->value), finish);
    });
    return reactor;
  }

  Runtime* const runtime_;
  const Gate* const gate_;
};

}  // namespace lwq::coordinator
