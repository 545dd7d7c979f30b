// SPDX-License-Identifier: Apache-2.0
#include "common/model/tensor_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "common/artifact/foreign_file.h"

namespace lwq {
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr std::string_view kModelPrefix = "model.";
constexpr std::string_view kShardEnding = ".safetensors";
constexpr int64_t kMaxIndexBytes = 256 << 20;

bool EndsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// The files of a model, wherever they are.
class ModelFiles {
 public:
  virtual ~ModelFiles() = default;
  virtual std::string Describe() const = 0;
  virtual StatusOr<std::vector<std::string>> Names() const = 0;
  virtual StatusOr<int64_t> SizeBytes(const std::string& file) const = 0;
  virtual StatusOr<Bytes> Read(const std::string& file, int64_t offset, int64_t length) = 0;
};

class DirectoryFiles : public ModelFiles {
 public:
  explicit DirectoryFiles(std::string directory) : directory_(std::move(directory)) {}
  std::string Describe() const override { return directory_; }

  StatusOr<std::vector<std::string>> Names() const override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator it(directory_, error);
    while (!error && it != std::filesystem::directory_iterator()) {
      names.push_back(it->path().filename().string());
      it.increment(error);
    }
    if (error) return absl::NotFoundError(absl::StrCat("model folder ", directory_, ": ", error.message()));
    return names;
  }

  StatusOr<int64_t> SizeBytes(const std::string& file) const override {
    LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(Path(file)));
    return static_cast<int64_t>(bytes.size());
  }

  // A mapping per call: its pages leave this process's memory with the tensor.
  StatusOr<Bytes> Read(const std::string& file, int64_t offset, int64_t length) override {
    LWQ_ASSIGN_OR_RETURN(const Bytes bytes, Bytes::MapFile(Path(file)));
    const int64_t size_bytes = static_cast<int64_t>(bytes.size());
    if (offset > size_bytes || length > size_bytes - offset) {
      return absl::DataLossError(
          absl::StrCat(Path(file), " changed while it was in use: it has only ", size_bytes, " bytes"));
    }
    return bytes.Slice(static_cast<size_t>(offset), static_cast<size_t>(length));
  }

 private:
  std::string Path(const std::string& file) const { return absl::StrCat(directory_, "/", file); }
  const std::string directory_;
};

class TreeFiles : public ModelFiles {
 public:
  explicit TreeFiles(const FileTree* tree) : tree_(tree) {}
  std::string Describe() const override { return "model artifact"; }
  StatusOr<std::vector<std::string>> Names() const override { return tree_->paths(); }
  StatusOr<int64_t> SizeBytes(const std::string& file) const override { return tree_->SizeBytes(file); }
  StatusOr<Bytes> Read(const std::string& file, int64_t offset, int64_t length) override {
    return tree_->Read(file, offset, length);
  }

 private:
  const FileTree* tree_;
};

StatusOr<SafetensorsHeader> ReadHeader(ModelFiles& files, const std::string& file) {
  const std::string what = absl::StrCat(files.Describe(), "/", file);
  LWQ_ASSIGN_OR_RETURN(const int64_t file_bytes, files.SizeBytes(file));
  LWQ_ASSIGN_OR_RETURN(const Bytes beginning, files.Read(file, 0, std::min(kForeignBytes, file_bytes)));
  LWQ_ASSIGN_OR_RETURN(const int64_t header_bytes, ParseSafetensorsHeaderBytes(beginning.view(), file_bytes, what));
  LWQ_ASSIGN_OR_RETURN(const Bytes header, files.Read(file, 8, header_bytes));
  return ParseSafetensorsHeader(header.view(), file_bytes, what);
}

Status CheckShardName(std::string_view shard, std::string_view what) {
  if (shard.size() > kShardEnding.size() && shard.size() <= 255 && shard.front() != '.' &&
      shard.find('/') == std::string_view::npos && shard.find('\0') == std::string_view::npos &&
      EndsWith(shard, kShardEnding)) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat(what, ": '", shard.substr(0, 200), "' is not the name of a .safetensors file beside it"));
}

// float64 as float32, rounded to nearest even.
StatusOr<HostTensor> Narrowed(const HostTensor& wide) {
  std::string bytes(wide.bytes.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size() / sizeof(float); ++i) {
    double value = 0;
    std::memcpy(&value, wide.bytes.data() + i * sizeof(value), sizeof(value));
    const auto narrow = static_cast<float>(value);
    std::memcpy(bytes.data() + i * sizeof(narrow), &narrow, sizeof(narrow));
  }
  return HostTensor{DType::kF32, wide.shape, Bytes::FromString(std::move(bytes))};
}

class ModelTensors : public TensorSource {
 public:
  explicit ModelTensors(std::unique_ptr<ModelFiles> files) : files_(std::move(files)) {}

  StatusOr<HostTensor> Read(std::string_view name) override {
    const auto it = entries_.find(std::string(name));
    if (it == entries_.end()) {
      return absl::NotFoundError(absl::StrCat("tensor '", name, "' is not in ", files_->Describe(), WhyAbsent(name)));
    }
    const SafetensorsEntry& entry = it->second;
    LWQ_RETURN_IF_ERROR(CheckReadable(entry, name));
    const Stored& stored = stored_.at(it->first);
    StatusOr<Bytes> bytes = files_->Read(stored.file, entry.begin_bytes, entry.end_bytes - entry.begin_bytes);
    if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat("tensor '", name, "'"));
    HostTensor tensor{stored.dtype, entry.shape, *std::move(bytes)};
    return stored.dtype == DType::kF64 ? Narrowed(tensor) : tensor;
  }

  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

  std::string WhyAbsent(std::string_view name) const override {
    const auto promised = promised_.find(std::string(name));
    if (promised == promised_.end()) return "";
    return absl::StrCat(" (", kIndexFile, " places it in ", promised->second,
                        ", whose header does not have it; download that file again)");
  }

  Status Load() {
    LWQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->Names());
    const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (has(kSingleFile)) {
      LWQ_RETURN_IF_ERROR(AddFile(std::string(kSingleFile)));
    } else if (has(kIndexFile)) {
      LWQ_RETURN_IF_ERROR(AddShards());
    } else {
      return NoWeights(names);
    }
    CompleteNames();
    return absl::OkStatus();
  }

 private:
  struct Stored {
    std::string file;
    DType dtype = DType::kF32;  // in the file
  };

  Status NoWeights(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      if (EndsWith(name, ".bin") || EndsWith(name, ".pth") || EndsWith(name, ".pt") || EndsWith(name, ".gguf")) {
        return absl::FailedPreconditionError(absl::StrCat(files_->Describe(), " holds ", name, " but no ", kSingleFile,
                                                          "; convert the weights to safetensors"));
      }
    }
    return absl::NotFoundError(absl::StrCat(files_->Describe(), " holds neither ", kSingleFile, " nor ", kIndexFile));
  }

  // Adds every tensor of a file. One that another file has, too, is that of the file the index names.
  Status AddFile(const std::string& file) {
    LWQ_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadHeader(*files_, file));
    for (auto& [name, entry] : header.tensors) {
      const auto other = stored_.find(name);
      if (other != stored_.end()) {
        const auto promised = promised_.find(name);
        const std::string chosen = promised == promised_.end() ? "" : promised->second;
        if (chosen == other->second.file) continue;
        if (chosen != file) {
          return absl::DataLossError(absl::StrCat("tensor '", name, "' is in ", other->second.file, " and in ", file,
                                                  " of ", files_->Describe(), ", and the index names neither"));
        }
      }
      stored_[name] = {file, entry.dtype};
      if (entry.other_dtype.empty() && entry.dtype == DType::kF64) entry.dtype = DType::kF32;
      entries_[name] = std::move(entry);
    }
    return absl::OkStatus();
  }

  Status AddShards() {
    const std::string index_file(kIndexFile);
    const std::string what = absl::StrCat(files_->Describe(), "/", kIndexFile);
    LWQ_ASSIGN_OR_RETURN(const int64_t index_bytes, files_->SizeBytes(index_file));
    if (index_bytes > kMaxIndexBytes) return absl::DataLossError(absl::StrCat(what, " has ", index_bytes, " bytes"));
    LWQ_ASSIGN_OR_RETURN(const Bytes text, files_->Read(index_file, 0, index_bytes));
    const StatusOr<Json> index = ParseJson(text.view(), what, DuplicateKeys::kRefuse);
    if (!index.ok()) return absl::DataLossError(index.status().message());
    const auto weight_map = index->is_object() ? index->find("weight_map") : index->end();
    if (weight_map == index->end() || !weight_map->is_object() || weight_map->empty()) {
      return absl::DataLossError(absl::StrCat(what, ": 'weight_map' is not an object of tensor names"));
    }
    std::set<std::string> shards;
    for (const auto& [name, value] : weight_map->items()) {
      if (!value.is_string()) {
        return absl::DataLossError(absl::StrCat(what, ": the file of tensor '", name, "' is not a string"));
      }
      promised_[name] = value.get<std::string>();
      shards.insert(promised_[name]);
    }
    for (const std::string& shard : shards) LWQ_RETURN_IF_ERROR(AddShard(shard, what));
    return absl::OkStatus();
  }

  Status AddShard(const std::string& shard, std::string_view what) {
    LWQ_RETURN_IF_ERROR(CheckShardName(shard, what));
    const Status added = AddFile(shard);
    if (!absl::IsNotFound(added)) return added;
    return absl::NotFoundError(absl::StrCat("shard ", shard, " of ", files_->Describe(), " is missing"));
  }

  // A model saved without its head names its tensors "layers.0. …"; here they are "model.layers.0. …", as in every
  // other.
  void CompleteNames() {
    const auto first = entries_.lower_bound(std::string(kModelPrefix));
    const bool has_prefix = first != entries_.end() && first->first.starts_with(kModelPrefix);
    if (has_prefix || !entries_.contains("norm.weight")) return;
    Complete(entries_);
    Complete(stored_);
    Complete(promised_);
  }

  template <typename Value>
  static void Complete(std::map<std::string, Value>& by_name) {
    std::map<std::string, Value> complete;
    for (auto& [name, value] : by_name) {
      complete.emplace(name == kHeadTensor ? name : absl::StrCat(kModelPrefix, name), std::move(value));
    }
    by_name = std::move(complete);
  }

  const std::unique_ptr<ModelFiles> files_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::map<std::string, Stored> stored_;         // tensor → where and how
  std::map<std::string, std::string> promised_;  // tensor → the file that the index names
};

StatusOr<std::unique_ptr<TensorSource>> Open(std::unique_ptr<ModelFiles> files) {
  auto source = std::make_unique<ModelTensors>(std::move(files));
  LWQ_RETURN_IF_ERROR(source->Load());
  return source;
}

}  // namespace

std::string EmbeddingTensorOf(const LlamaConfig& config, const TensorSource& source) {
  const bool is_stored = source.entries().contains(std::string(kEmbeddingTensor));
  const bool has_head = source.entries().contains(std::string(kHeadTensor));
  return std::string(config.tie_word_embeddings && !is_stored && has_head ? kHeadTensor : kEmbeddingTensor);
}

std::string HeadTensorOf(const LlamaConfig& config, const TensorSource& source) {
  const bool is_stored = source.entries().contains(std::string(kHeadTensor));
  return std::string(config.tie_word_embeddings && !is_stored ? kEmbeddingTensor : kHeadTensor);
}

StatusOr<bool> HasHeadOfItsOwn(const LlamaConfig& config, TensorSource& source) {
  const std::string embedding_name = EmbeddingTensorOf(config, source), head_name = HeadTensorOf(config, source);
  if (!config.tie_word_embeddings || embedding_name == head_name) return false;
  LWQ_ASSIGN_OR_RETURN(const HostTensor embedding, source.Read(embedding_name));
  LWQ_ASSIGN_OR_RETURN(const HostTensor head, source.Read(head_name));
  return embedding.dtype != head.dtype || embedding.shape != head.shape || embedding.bytes.view() != head.bytes.view();
}

StatusOr<std::unique_ptr<TensorSource>> OpenModelDirectory(const std::string& directory) {
  return Open(std::make_unique<DirectoryFiles>(directory));
}

StatusOr<std::unique_ptr<TensorSource>> OpenModelTree(const FileTree* tree) {
  return Open(std::make_unique<TreeFiles>(tree));
}

}  // namespace lwq
