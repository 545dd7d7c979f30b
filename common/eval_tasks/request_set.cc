// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/request_set.h"

#include <algorithm>

#include "common/documents/json_records.h"
#include "common/json/json.h"

namespace lwq {
namespace {

constexpr std::string_view kRequestSetKind = "eval_requests";
constexpr char kItemsPart[] = "items";

std::string LineOf(const RequestItem& item) {
  Json requests = Json::array();
  for (const EvalRequest& request : item.requests) {
    Json& json = requests.emplace_back(Json{{"continuation", request.continuation},
                                            {"continuation_ids", request.continuation_ids},
                                            {"characters", request.characters}});
    const EvalRequest* before = &request == &item.requests.front() ? nullptr : &request - 1;
    if (before != nullptr && before->context == request.context && before->context_ids == request.context_ids) continue;
    json["context"] = request.context;
    json["context_ids"] = request.context_ids;
  }
  Json line{{"gold", item.gold}, {"requests", std::move(requests)}};
  if (item.words > 0) {
    line["words"] = item.words;
    line["bytes"] = item.bytes;
  }
  return absl::StrCat(CanonicalJson(line), "\n");
}

StatusOr<std::vector<int32_t>> IdsAt(const Json& json, const char* key) {
  std::vector<int32_t> ids;
  const auto list = json.find(key);
  const bool is_list = list != json.end() && list->is_array() && !list->empty();
  if (!is_list) return absl::InvalidArgumentError(absl::StrCat(key, " is no list of ids"));
  for (const Json& id : *list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX) {
      return absl::InvalidArgumentError(absl::StrCat(key, " has an entry that is no id"));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

StatusOr<EvalRequest> RequestFromJson(const Json& json, const EvalRequest* before, std::string_view what) {
  EvalRequest request;
  LWQ_ASSIGN_OR_RETURN(request.continuation, JsonString(json, "continuation", what));
  LWQ_ASSIGN_OR_RETURN(request.continuation_ids, IdsAt(json, "continuation_ids"));
  LWQ_ASSIGN_OR_RETURN(request.characters, JsonInt(json, "characters", what));
  if (before != nullptr && !json.contains("context")) {
    request.context = before->context;
    request.context_ids = before->context_ids;
    return request;
  }
  LWQ_ASSIGN_OR_RETURN(request.context, JsonString(json, "context", what));
  LWQ_ASSIGN_OR_RETURN(request.context_ids, IdsAt(json, "context_ids"));
  return request;
}

StatusOr<RequestItem> ItemFromJson(const Json& json, std::string_view what) {
  RequestItem item;
  LWQ_ASSIGN_OR_RETURN(item.gold, JsonInt(json, "gold", what));
  if (json.contains("words")) {
    LWQ_ASSIGN_OR_RETURN(item.words, JsonInt(json, "words", what));
    LWQ_ASSIGN_OR_RETURN(item.bytes, JsonInt(json, "bytes", what));
    if (item.words < 1 || item.bytes < 1) return absl::InvalidArgumentError("a document has no words or no bytes");
  }
  const auto requests = json.find("requests");
  if (requests == json.end() || !requests->is_array()) return absl::InvalidArgumentError("requests is no list");
  for (const Json& one : *requests) {
    const EvalRequest* before = item.requests.empty() ? nullptr : &item.requests.back();
    LWQ_ASSIGN_OR_RETURN(EvalRequest request, RequestFromJson(one, before, what));
    item.requests.push_back(std::move(request));
  }
  if (item.gold < 0 || item.gold >= std::ssize(item.requests)) return absl::InvalidArgumentError("gold is no choice");
  return item;
}

StatusOr<RequestSet> ParseSet(const Manifest& manifest, BlobSource& blobs) {
  RequestSet set;
  LWQ_ASSIGN_OR_RETURN(set.task, JsonString(manifest.meta, "task", "meta"));
  LWQ_ASSIGN_OR_RETURN(set.add_bos, JsonBool(manifest.meta, "add_bos", "meta"));
  LWQ_ASSIGN_OR_RETURN(const int64_t items, JsonInt(manifest.meta, "items", "meta"));
  if (manifest.parts.size() != 1 || manifest.parts.front().name != kItemsPart) {
    return absl::InvalidArgumentError("there is not one part of items");
  }
  LWQ_ASSIGN_OR_RETURN(const Bytes bytes, blobs.Fetch(manifest.parts.front().blob));
  LWQ_RETURN_IF_ERROR(ForEachJsonLine(kItemsPart, bytes.view(), AlwaysKeepGoing,
                                      [&](const Json& line, std::string_view what) -> Status {
                                        LWQ_ASSIGN_OR_RETURN(RequestItem item, ItemFromJson(line, what));
                                        set.items.push_back(std::move(item));
                                        return absl::OkStatus();
                                      }));
  if (std::ssize(set.items) != items) return absl::InvalidArgumentError("there are not as many items as it states");
  return set;
}

}  // namespace

int64_t RequestSet::requests() const {
  int64_t count = 0;
  for (const RequestItem& item : items) count += std::ssize(item.requests);
  return count;
}

StatusOr<ArtifactRef> PublishRequestSet(ArtifactStore& store, const RequestSet& set) {
  std::string lines;
  for (const RequestItem& item : set.items) lines += LineOf(item);
  Manifest manifest;
  manifest.kind = std::string(kRequestSetKind);
  manifest.meta = {
      {"task", set.task}, {"add_bos", set.add_bos}, {"items", set.items.size()}, {"requests", set.requests()}};
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(std::string_view(lines)));
  manifest.parts.push_back({kItemsPart, blob});
  return store.Publish(manifest);
}

StatusOr<RequestSet> LoadRequestSet(BlobSource& blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadManifest(blobs, artifact));
  const std::string what = absl::StrCat("requests ", artifact.digest.short_hex());
  if (manifest.kind != kRequestSetKind) return absl::DataLossError(absl::StrCat(what, " are of another kind"));
  StatusOr<RequestSet> set = ParseSet(manifest, blobs);
  if (absl::IsInvalidArgument(set.status())) {
    return absl::DataLossError(absl::StrCat(what, ": ", MessageOf(set.status())));
  }
  return set;
}

}  // namespace lwq
