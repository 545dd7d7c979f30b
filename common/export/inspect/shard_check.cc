// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/shard_check.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/artifact/safetensors.h"
#include "common/bytes/bytes.h"
#include "common/json/json.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

constexpr char kIndexFile[] = "model.safetensors.index.json";

using Headers = std::map<std::string, SafetensorsHeader>;  // by file

class ShardCheck {
 public:
  ShardCheck(const std::string& folder, Inspection& found) : folder_(folder), found_(found) {}

  bool Run() {
    ReadHeaders();
    const fs::path index = folder_ / kIndexFile;
    std::error_code ignored;
    if (fs::exists(index, ignored)) {
      CheckIndex(index.string());
    } else if (headers_.size() > 1) {
      found_.AddFault(absl::StrCat("there are ", headers_.size(), " safetensors files and no ", kIndexFile,
                                   ": readers do not know what is where"));
    }
    CheckNames();
    return all_read_;
  }

 private:
  void ReadHeaders() {
    std::error_code error;
    for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (!name.ends_with(".safetensors") || name.starts_with('.')) continue;
      const StatusOr<SafetensorsFile> file = SafetensorsFile::Open(it->path().string());
      if (file.ok()) {
        headers_.emplace(name, file->header());
      } else {
        found_.AddFault(std::string(MessageOf(file.status())));
        damaged_.insert(name);
        all_read_ = false;
      }
    }
    if (headers_.empty() && all_read_) {
      found_.AddFault("there is no *.safetensors file");
      all_read_ = false;
    }
  }

  void CheckIndex(const std::string& path) {
    const StatusOr<Bytes> text = Bytes::MapFile(path);
    const StatusOr<Json> index = text.ok() ? ParseJson(text->view(), kIndexFile) : StatusOr<Json>(text.status());
    if (!index.ok()) return found_.AddFault(std::string(MessageOf(index.status())));
    const auto map = index->is_object() ? index->find("weight_map") : index->end();
    if (!index->is_object() || map == index->end() || !map->is_object()) {
      return found_.AddFault(absl::StrCat(kIndexFile, " has no weight_map"));
    }
    std::set<std::string> named;
    for (const auto& [tensor, shard] : map->items()) {
      if (!shard.is_string()) {
        found_.AddFault(absl::StrCat(kIndexFile, ": the file of ", tensor, " is no text"));
      } else {
        CheckPlace(tensor, shard.get<std::string>(), named);
      }
    }
    CheckCovered(*map, named);
    CheckTotal(*index);
  }

  void CheckPlace(const std::string& tensor, const std::string& shard, std::set<std::string>& named) {
    const bool is_new = named.insert(shard).second;
    if (damaged_.contains(shard)) return;
    const auto file = headers_.find(shard);
    if (file == headers_.end()) {
      if (is_new) found_.AddFault(absl::StrCat(kIndexFile, " names ", shard, ", which is not there"));
    } else if (!file->second.tensors.contains(tensor)) {
      found_.AddFault(absl::StrCat(kIndexFile, " says that ", tensor, " is in ", shard, ", and it is not"));
    }
  }

  void CheckCovered(const Json& map, const std::set<std::string>& named) {
    for (const auto& [file, header] : headers_) {
      if (!named.contains(file)) {
        found_.AddFault(absl::StrCat(file, " is not in ", kIndexFile, ": readers leave it out"));
        continue;
      }
      std::vector<std::string> left_out;
      for (const auto& [tensor, entry] : header.tensors) {
        if (!map.contains(tensor)) left_out.push_back(tensor);
      }
      if (!left_out.empty()) {
        found_.AddFault(absl::StrCat(kIndexFile, " does not list ", Named(left_out), " of ", file));
      }
    }
  }

  void CheckTotal(const Json& index) {
    const auto metadata = index.find("metadata");
    if (metadata == index.end() || !metadata->is_object() || !metadata->contains("total_size") || !all_read_) return;
    int64_t bytes = 0;
    for (const auto& [file, header] : headers_) {
      for (const auto& [tensor, entry] : header.tensors) bytes += entry.end_bytes - entry.begin_bytes;
    }
    const Json& total = metadata->at("total_size");
    if (total.is_number() && total.get<double>() == static_cast<double>(bytes)) return;
    found_.AddFault(
        absl::StrCat(kIndexFile, ": total_size is ", total.dump(), ", and the tensors have ", bytes, " bytes"));
  }

  // A tensor that is in two files is read from one of them.
  void CheckNames() {
    std::map<std::string, std::string> file_of;
    for (const auto& [file, header] : headers_) {
      for (const auto& [tensor, entry] : header.tensors) {
        const auto [known, is_new] = file_of.try_emplace(tensor, file);
        if (!is_new) found_.AddFault(absl::StrCat(tensor, " is both in ", known->second, " and in ", file));
      }
    }
  }

  const fs::path folder_;
  Inspection& found_;
  Headers headers_;
  std::set<std::string> damaged_;
  bool all_read_ = true;
};

}  // namespace

bool CheckShards(const std::string& folder, Inspection& found) {
  return ShardCheck(folder, found).Run();
}

}  // namespace lwq::qat
