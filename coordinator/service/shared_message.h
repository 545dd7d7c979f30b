// SPDX-License-Identifier: Apache-2.0
// A message that many streams send: made once, and serialized once, by whoever sends it first.
//
// Thread-safety: any thread.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "google/protobuf/arena.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/proto_buffer_writer.h"

namespace lwq::coordinator {

class SerializedOnce {
 public:
  virtual ~SerializedOnce() = default;
  SerializedOnce(const SerializedOnce&) = delete;
  SerializedOnce& operator=(const SerializedOnce&) = delete;

  const grpc::ByteBuffer& bytes() const {
    std::call_once(serialized_, [this] { Serialize(&bytes_); });
    return bytes_;
  }

 protected:
  SerializedOnce() = default;

 private:
  virtual void Serialize(grpc::ByteBuffer* bytes) const = 0;

  mutable std::once_flag serialized_;
  mutable grpc::ByteBuffer bytes_;
};

template <typename Message>
class SharedMessage final : public SerializedOnce {
 public:
  // What fill(message) makes of an empty one. It lies in one piece of memory: thousands of tasks are freed at once, by
  // whoever needs them last.
  template <typename Fill>
  static std::shared_ptr<const SharedMessage> Make(Fill fill) {
    const auto made = std::make_shared<SharedMessage>();
    fill(made->content_);
    return made;
  }

  const Message& content() const { return *content_; }

 private:
  void Serialize(grpc::ByteBuffer* bytes) const override {
    bool own = false;
    grpc::SerializationTraits<Message>::Serialize(*content_, bytes, &own);
  }

  google::protobuf::Arena arena_;
  Message* const content_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
};

}  // namespace lwq::coordinator
