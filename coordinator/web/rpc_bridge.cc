// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/rpc_bridge.h"

#include <algorithm>
#include <future>

#include "common/rpc/grpc_status.h"
#include "grpcpp/support/byte_buffer.h"

namespace lwq::coordinator {
namespace {

// Of a unary call whose caller names none: longer than every plan takes.
constexpr std::chrono::milliseconds kDefaultTimeout{60'000};

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

void Prepare(const BridgedCall& call, grpc::ClientContext& context) {
  for (const auto& [name, value] : call.metadata) {
    LWQ_CHECK(IsMetadataValue(value), "header ", name);
    context.AddMetadata(name, value);
  }
}

}  // namespace

bool IsMetadataValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

StatusOr<std::string> RpcBridge::Unary(const BridgedCall& call, const std::string& request) {
  grpc::ClientContext context;
  Prepare(call, context);
  context.set_deadline(std::chrono::system_clock::now() + call.timeout.value_or(kDefaultTimeout));
  const grpc::ByteBuffer sent = ToBuffer(request);
  grpc::ByteBuffer answer;
  std::promise<grpc::Status> done;
  stub_.UnaryCall(&context, call.path, grpc::StubOptions(), &sent, &answer,
                  [&done](grpc::Status status) { done.set_value(std::move(status)); });
  LWQ_RETURN_IF_ERROR(FromGrpc(done.get_future().get()));
  return ToBytes(answer);
}

std::unique_ptr<BridgedStream> RpcBridge::Open(const BridgedCall& call, const std::string& request) {
  std::unique_ptr<BridgedStream> stream(new BridgedStream());
  stream->Begin(stub_, call, request);
  return stream;
}

void BridgedStream::Begin(grpc::GenericStub& stub, const BridgedCall& call, const std::string& request) {
  Prepare(call, context_);
  if (call.timeout.has_value()) context_.set_deadline(std::chrono::system_clock::now() + *call.timeout);
  request_ = ToBuffer(request);
  call_ = stub.PrepareCall(&context_, call.path, &queue_);
  Go(Step::kStart);
}

BridgedStream::~BridgedStream() {
  context_.TryCancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

// One operation at a time is under way.
void BridgedStream::Go(Step step) {
  step_ = step;
  switch (step) {
    case Step::kStart:
      return call_->StartCall(this);
    case Step::kWrite:
      return call_->WriteLast(request_, grpc::WriteOptions(), this);
    case Step::kRead:
      return call_->Read(&answer_, this);
    case Step::kFinish:
      return call_->Finish(&finish_, this);
  }
}

BridgedStream::Event BridgedStream::Next(std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::system_clock::now() + wait;
  while (true) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return Event::kNothing;
    if (step_ == Step::kFinish) {
      status_ = FromGrpc(finish_);
      return Event::kEnd;
    }
    if (!ok) {
      Go(Step::kFinish);
    } else if (step_ == Step::kRead) {
      message_ = ToBytes(answer_);
      answer_.Clear();
      Go(Step::kRead);
      return Event::kMessage;
    } else {
      Go(step_ == Step::kStart ? Step::kWrite : Step::kRead);
    }
  }
}

}  // namespace lwq::coordinator
