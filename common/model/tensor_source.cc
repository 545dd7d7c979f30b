#include "common/model/tensor_source.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace lwq {
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr std::string_view kShardEnding = ".safetensors";
constexpr int64_t kIndexBytesMax = 256 << 20;

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
  LWQ_ASSIGN_OR_RETURN(const Bytes first_eight, files.Read(file, 0, std::min<int64_t>(8, file_bytes)));
  LWQ_ASSIGN_OR_RETURN(const int64_t header_bytes, ParseSafetensorsHeaderBytes(first_eight.view(), file_bytes, what));
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

class ModelTensors : public TensorSource {
 public:
  explicit ModelTensors(std::unique_ptr<ModelFiles> files) : files_(std::move(files)) {}

  StatusOr<HostTensor> Read(std::string_view name) override {
    const auto it = entries_.find(std::string(name));
    if (it == entries_.end()) {
      return absl::NotFoundError(absl::StrCat("tensor '", name, "' is not in ", files_->Describe()));
    }
    const SafetensorsEntry& entry = it->second;
    StatusOr<Bytes> bytes =
        files_->Read(file_of_.at(it->first), entry.begin_bytes, entry.end_bytes - entry.begin_bytes);
    if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat("tensor '", name, "'"));
    return HostTensor{entry.dtype, entry.shape, *std::move(bytes)};
  }

  const std::map<std::string, SafetensorsEntry>& entries() const override { return entries_; }

  Status Load() {
    LWQ_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->Names());
    const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    if (has(kSingleFile)) return LoadSingle();
    if (has(kIndexFile)) return LoadSharded();
    for (const std::string& name : names) {
      if (EndsWith(name, ".bin") || EndsWith(name, ".pth") || EndsWith(name, ".pt") || EndsWith(name, ".gguf")) {
        return absl::FailedPreconditionError(absl::StrCat(files_->Describe(), " holds ", name, " but no ", kSingleFile,
                                                          "; convert the weights to safetensors"));
      }
    }
    return absl::NotFoundError(absl::StrCat(files_->Describe(), " holds neither ", kSingleFile, " nor ", kIndexFile));
  }

 private:
  Status LoadSingle() {
    const std::string file(kSingleFile);
    LWQ_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadHeader(*files_, file));
    entries_ = std::move(header.tensors);
    for (const auto& [name, entry] : entries_) file_of_.emplace(name, file);
    return absl::OkStatus();
  }

  Status LoadSharded() {
    const std::string index_file(kIndexFile);
    const std::string what = absl::StrCat(files_->Describe(), "/", kIndexFile);
    LWQ_ASSIGN_OR_RETURN(const int64_t index_bytes, files_->SizeBytes(index_file));
    if (index_bytes > kIndexBytesMax) return absl::DataLossError(absl::StrCat(what, " has ", index_bytes, " bytes"));
    LWQ_ASSIGN_OR_RETURN(const Bytes text, files_->Read(index_file, 0, index_bytes));
    const StatusOr<Json> index = ParseJson(text.view(), what, DuplicateKeys::kRefuse);
    if (!index.ok()) return absl::DataLossError(index.status().message());
    const auto weight_map = index->is_object() ? index->find("weight_map") : index->end();
    if (weight_map == index->end() || !weight_map->is_object() || weight_map->empty()) {
      return absl::DataLossError(absl::StrCat(what, ": 'weight_map' is not an object of tensor names"));
    }
    std::map<std::string, SafetensorsHeader> headers;
    for (const auto& [name, value] : weight_map->items()) {
      if (!value.is_string()) {
        return absl::DataLossError(absl::StrCat(what, ": the file of tensor '", name, "' is not a string"));
      }
      const std::string shard = value.get<std::string>();
      if (headers.count(shard) == 0) LWQ_RETURN_IF_ERROR(LoadShard(shard, what, headers));
      const std::map<std::string, SafetensorsEntry>& tensors = headers.at(shard).tensors;
      const auto it = tensors.find(name);
      if (it == tensors.end()) {
        return absl::DataLossError(absl::StrCat(what, ": tensor '", name, "' is not in its file ", shard));
      }
      entries_.emplace(name, it->second);
      file_of_.emplace(name, shard);
    }
    return absl::OkStatus();
  }

  Status LoadShard(const std::string& shard, std::string_view what, std::map<std::string, SafetensorsHeader>& headers) {
    LWQ_RETURN_IF_ERROR(CheckShardName(shard, what));
    StatusOr<SafetensorsHeader> header = ReadHeader(*files_, shard);
    if (absl::IsNotFound(header.status())) {
      return absl::NotFoundError(absl::StrCat("shard ", shard, " of ", files_->Describe(), " is missing"));
    }
    LWQ_RETURN_IF_ERROR(header);
    headers.emplace(shard, *std::move(header));
    return absl::OkStatus();
  }

  const std::unique_ptr<ModelFiles> files_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::map<std::string, std::string> file_of_;  // tensor → file
};

StatusOr<std::unique_ptr<TensorSource>> Open(std::unique_ptr<ModelFiles> files) {
  auto source = std::make_unique<ModelTensors>(std::move(files));
  LWQ_RETURN_IF_ERROR(source->Load());
  return source;
}

}  // namespace

StatusOr<std::unique_ptr<TensorSource>> OpenModelDirectory(const std::string& directory) {
  return Open(std::make_unique<DirectoryFiles>(directory));
}

StatusOr<std::unique_ptr<TensorSource>> OpenModelTree(const FileTree* tree) {
  return Open(std::make_unique<TreeFiles>(tree));
}

}  // namespace lwq
