// SPDX-License-Identifier: Apache-2.0
#include "coordinator/web/transcode.h"

#include <memory>

#include "common/text/one_line.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"

namespace lwq::coordinator {
namespace {

using google::protobuf::Message;
using google::protobuf::MessageFactory;

constexpr size_t kShownErrorBytes = 300;

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor& type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

}  // namespace

StatusOr<std::string> JsonToWire(const google::protobuf::Descriptor& type, std::string_view json) {
  const std::unique_ptr<Message> message = NewMessage(type);
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), message.get());
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not JSON of ", type.full_name(), ": ", OneLine(std::string(status.message()), kShownErrorBytes)));
  }
  return message->SerializeAsString();
}

StatusOr<std::string> WireToJson(const google::protobuf::Descriptor& type, const std::string& bytes) {
  const std::unique_ptr<Message> message = NewMessage(type);
  std::string json;
  if (!message->ParseFromString(bytes) || !google::protobuf::util::MessageToJsonString(*message, &json).ok()) {
    return absl::InternalError(absl::StrCat("an answer is no ", type.full_name()));
  }
  return json;
}

}  // namespace lwq::coordinator
