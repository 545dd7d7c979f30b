// SPDX-License-Identifier: Apache-2.0
#include "coordinator/service/call_observer.h"

#include <chrono>
#include <utility>

namespace lwq::coordinator {
namespace {

using grpc::experimental::InterceptionHookPoints;

class Observer final : public grpc::experimental::Interceptor {
 public:
  Observer(const std::vector<CallListener*>* listeners, grpc::experimental::ServerRpcInfo* info)
      : listeners_(listeners), info_(info), rule_(FindRule(info->method())), begun_(std::chrono::steady_clock::now()) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    // Messages of our own methods are protobuf's; of others nobody knows what they are.
    if (rule_ != nullptr && methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      request_ = static_cast<const google::protobuf::Message*>(methods->GetRecvMessage());
    }
    if (rule_ != nullptr && info_->type() == grpc::experimental::ServerRpcInfo::Type::UNARY &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      response_ = static_cast<const google::protobuf::Message*>(methods->GetSendMessage());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun_;
      const EndedCall call{.rule = rule_,
                           .path = info_->method(),
                           .context = info_->server_context(),
                           .request = request_,
                           .response = response_,
                           .status = methods->GetSendStatus(),
                           .seconds = seconds.count()};
      for (CallListener* listener : *listeners_) listener->OnEnded(call);
    }
    methods->Proceed();
  }

 private:
  const std::vector<CallListener*>* const listeners_;
  grpc::experimental::ServerRpcInfo* const info_;
  const MethodRule* const rule_;
  const std::chrono::steady_clock::time_point begun_;
  const google::protobuf::Message* request_ = nullptr;
  const google::protobuf::Message* response_ = nullptr;
};

class ObserverFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit ObserverFactory(std::vector<CallListener*> listeners) : listeners_(std::move(listeners)) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    return new Observer(&listeners_, info);
  }

 private:
  const std::vector<CallListener*> listeners_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ObserveCalls(
    std::vector<CallListener*> listeners) {
  return std::make_unique<ObserverFactory>(std::move(listeners));
}

}  // namespace lwq::coordinator
