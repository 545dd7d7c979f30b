// SPDX-License-Identifier: Apache-2.0
// Calls of the API by name, with messages as bytes: each is one of gRPC's, let in, answered and audited as every other.
//
// Thread-safety: any thread; a stream is one thread's. The channel's server must outlive the calls.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status/status.h"
#include "common/sync/mutex.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/client_callback.h"

namespace lwq::coordinator {

// Whether gRPC takes the text as the value of a header: printable ASCII and spaces. It ends the process that gives it
// another.
bool IsMetadataValue(std::string_view text);

struct BridgedCall {
  std::string path;  // "/lwqat.v1.RunService/GetRun"
  // Values are IsMetadataValue.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::optional<std::chrono::milliseconds> timeout;
};

// A server stream. Its end hangs up.
//
// gRPC's threads tell it what came. It has no completion queue of its own: a thread that waits at one takes its turn at
// watching all sockets of the process, and hundreds of them hand that on to each other at every message of anybody.
class BridgedStream final : private grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  ~BridgedStream() override;
  BridgedStream(const BridgedStream&) = delete;
  BridgedStream& operator=(const BridgedStream&) = delete;

  enum class Event { kMessage, kNothing, kEnd };
  // Waits up to so long for the next.
  Event Next(std::chrono::milliseconds wait);
  // After kMessage: the message, once.
  std::string TakeMessage() { return std::move(message_); }
  // After kEnd: how it ended.
  const Status& status() const { return status_; }

 private:
  friend class RpcBridge;
  BridgedStream() = default;
  void Begin(grpc::GenericStub& stub, const BridgedCall& call, const std::string& request);

  // gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;  // the reader's while there_, else gRPC's
  std::string message_;
  Status status_;
  Mutex mutex_;
  CondVar came_;
  bool there_ ABSL_GUARDED_BY(mutex_) = false;  // a message that Next has not taken
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
};

class RpcBridge {
 public:
  explicit RpcBridge(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  StatusOr<std::string> Unary(const BridgedCall& call, const std::string& request);
  std::unique_ptr<BridgedStream> Open(const BridgedCall& call, const std::string& request);

 private:
  grpc::GenericStub stub_;
};

}  // namespace lwq::coordinator
