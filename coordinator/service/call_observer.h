// SPDX-License-Identifier: Apache-2.0
// Tells of every call how it ended: for the audit log and for metrics. It decides nothing.
//
// Thread-safety: listeners are told by any thread, several at once. They must outlive the server.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "coordinator/access/method_rules.h"
#include "google/protobuf/message.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/server_interceptor.h"

namespace lwq::coordinator {

// Valid while the listener is told.
struct EndedCall {
  const MethodRule* rule = nullptr;  // null: health, reflection, or no call of ours
  std::string_view path;             // "/lwqat.v1.RunService/GetRun"
  const grpc::ServerContextBase* context = nullptr;
  const google::protobuf::Message* request = nullptr;   // null: none arrived
  const google::protobuf::Message* response = nullptr;  // of calls with one answer, where there was one
  grpc::Status status;
  double seconds = 0;
};

class CallListener {
 public:
  virtual ~CallListener() = default;
  virtual void OnEnded(const EndedCall& call) = 0;
};

// For ServerBuilder.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> ObserveCalls(
    std::vector<CallListener*> listeners);

}  // namespace lwq::coordinator
