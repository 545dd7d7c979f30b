// SPDX-License-Identifier: Apache-2.0
#include "common/export/safetensors_files.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "common/json/json.h"

namespace lwq::qat {
namespace {

std::string ShardPath(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  char path[64];
  std::snprintf(path, sizeof(path), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return path;
}

}  // namespace

SafetensorsFiles::SafetensorsFiles(std::vector<PlannedTensor> tensors, int64_t shard_bytes)
    : tensors_(std::move(tensors)) {
  int64_t used_bytes = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (shards_.empty() || used_bytes + tensors_[i].bytes() > shard_bytes) {
      shards_.push_back({.path = "", .first = i, .count = 0});
      used_bytes = 0;
    }
    ++shards_.back().count;
    used_bytes += tensors_[i].bytes();
  }
  for (size_t i = 0; i < shards_.size(); ++i) shards_[i].path = ShardPath(i, shards_.size());
}

Status SafetensorsFiles::Write(const Read& read, FileSink& sink) const {
  if (shards_.size() > 1) LWQ_RETURN_IF_ERROR(sink.Add("model.safetensors.index.json", Index()));
  for (const Shard& shard : shards_) {
    LWQ_RETURN_IF_ERROR(sink.Begin(shard.path));
    LWQ_RETURN_IF_ERROR(sink.Write(Header(shard)));
    for (size_t i = shard.first; i < shard.first + shard.count; ++i) {
      const PlannedTensor& planned = tensors_[i];
      LWQ_ASSIGN_OR_RETURN(const HostTensor tensor, read(planned));
      LWQ_CHECK(tensor.dtype == planned.dtype && tensor.shape == planned.shape, planned.name, " is not as planned");
      LWQ_RETURN_IF_ERROR(sink.Write(tensor.bytes.span()));
    }
  }
  return absl::OkStatus();
}

std::string SafetensorsFiles::Header(const Shard& shard) const {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (size_t i = shard.first; i < shard.first + shard.count; ++i) {
    const PlannedTensor& tensor = tensors_[i];
    const int64_t end = offset + tensor.bytes();
    header[tensor.name] = {
        {"dtype", std::string(DTypeName(tensor.dtype))}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = CanonicalJson(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string out(sizeof(length), '\0');
  std::memcpy(out.data(), &length, sizeof(length));
  return out + text;
}

std::string SafetensorsFiles::Index() const {
  Json index = {{"metadata", Json::object()}, {"weight_map", Json::object()}};
  int64_t total_bytes = 0;
  for (const Shard& shard : shards_) {
    for (size_t i = shard.first; i < shard.first + shard.count; ++i) {
      index["weight_map"][tensors_[i].name] = shard.path;
      total_bytes += tensors_[i].bytes();
    }
  }
  index["metadata"]["total_size"] = total_bytes;
  return index.dump(2) + "\n";
}

}  // namespace lwq::qat
