// SPDX-License-Identifier: Apache-2.0
// A service some of whose server streams send bytes that are serialized already: what is sent to hundreds at once is
// serialized once (shared_message.h). Requests stay messages, as the audit log and whoever observes calls take them.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "common/status/status.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/grpcpp.h"

namespace lwq::coordinator {

// `Api`: a service as protoc generates it.
template <typename Api>
class BytesStreams : public Api::CallbackService {
 protected:
  // In the constructor: calls of the method are begun by `begin` instead of the function that has the method's name.
  // The generated code has this for requests and answers as bytes, or neither.
  template <typename Request>
  void AnswerInBytes(
      const std::string& method,
      std::function<grpc::ServerWriteReactor<grpc::ByteBuffer>*(grpc::CallbackServerContext*, const Request*)> begin) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(Api::service_full_name());
    const auto* found = service == nullptr ? nullptr : service->FindMethodByName(method);
    LWQ_CHECK(found != nullptr && found->server_streaming() && found->input_type() == Request::descriptor(), method);
    this->MarkMethodCallback(
        found->index(),
        new grpc::internal::CallbackServerStreamingHandler<Request, grpc::ByteBuffer>(std::move(begin)));
  }
};

}  // namespace lwq::coordinator
