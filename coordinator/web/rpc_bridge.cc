// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/rpc_bridge.h"

#include <algorithm>
#include <future>

#include "common/rpc/grpc_status.h"

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
  stub.PrepareBidiStreamingCall(&context_, call.path, grpc::StubOptions(), this);
  StartWriteLast(&request_, grpc::WriteOptions());
  StartRead(&answer_);
  StartCall();
}

BridgedStream::~BridgedStream() {
  context_.TryCancel();
  MutexLock lock(&mutex_);
  came_.Wait(lock, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return end_.has_value(); });
}

void BridgedStream::OnReadDone(bool ok) {
  if (!ok) return;  // OnDone follows
  const MutexLock lock(&mutex_);
  there_ = true;
  came_.NotifyOne();
}

void BridgedStream::OnDone(const grpc::Status& status) {
  const MutexLock lock(&mutex_);
  end_ = status;
  came_.NotifyOne();
}

BridgedStream::Event BridgedStream::Next(std::chrono::milliseconds wait) {
  {
    MutexLock lock(&mutex_);
    came_.WaitFor(lock, wait, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return there_ || end_.has_value(); });
    if (!there_) {
      if (!end_.has_value()) return Event::kNothing;
      status_ = FromGrpc(*end_);
      return Event::kEnd;
    }
    there_ = false;
  }
  message_ = ToBytes(answer_);
  answer_.Clear();
  StartRead(&answer_);
  return Event::kMessage;
}

}  // namespace lwq::coordinator
