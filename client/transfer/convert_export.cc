// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/convert_export.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "client/source/model_names.h"
#include "client/transfer/companion_files.h"
#include "client/transfer/model_files.h"
#include "common/artifact/file_tree.h"
#include "common/bytes/bytes.h"
#include "common/export/convert.h"
#include "common/export/folder_writer.h"
#include "common/model/model_config.h"
#include "common/object_store/memory_store.h"
#include "reporting/model_card.h"

namespace lwq::client {
namespace {

namespace fs = std::filesystem;

using SmallFiles = std::map<std::string, Bytes>;

// The export's folder, or why it is none.
Status CheckSource(const std::string& directory) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored)) return absl::NotFoundError(absl::StrCat(directory, ": no such folder"));
  const bool is_folder = fs::is_directory(directory, ignored);
  if (is_folder && IsFile(fs::path(directory) / "config.json")) return absl::OkStatus();
  if (directory.ends_with(".gguf") || (is_folder && IsFile(fs::path(directory) / "model.gguf"))) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, ": a GGUF file does not say which bits its codes had; convert the export that it was made from"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      directory, " has no config.json; give the folder of an export in gptq_v2, gptq or compressed_tensors"));
}

StatusOr<SmallFiles> ReadFiles(const std::string& directory, const std::vector<std::string>& names) {
  SmallFiles files;
  for (const std::string& name : names) {
    const fs::path path = fs::path(directory) / name;
    if (!IsFile(path)) continue;
    LWQ_ASSIGN_OR_RETURN(files[name], Bytes::MapFile(path.string()));
  }
  return files;
}

// What the exporter reads: config and tokenizer.
std::vector<std::string> ReadNames() {
  std::vector<std::string> names(kModelConfigFiles.begin(), kModelConfigFiles.end());
  names.insert(names.end(), kModelTokenizerFiles.begin(), kModelTokenizerFiles.end());
  return names;
}

// What tells of the model's making, which goes along with it and not with a model that is quantized.
std::vector<std::string> ReportNames(const std::string& directory) {
  std::vector<std::string> names = {"layer_statistics.json"};
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("sensitivity_results_") && name.ends_with(".json")) names.push_back(name);
  }
  return names;
}

// As the card says how it is served. A group that is a row is as good as groups of its length.
StatusOr<ServedModel> ServedModelOf(const LlamaConfig& config, TensorSource& tensors) {
  ServedModel served;
  std::set<int64_t> rows;
  qat::ModelBlocks blocks(&config, &tensors);
  for (int64_t k = 0; k < blocks.blocks(); ++k) {
    LWQ_ASSIGN_OR_RETURN(const qat::BlockFormat format, blocks.Format(k));
    for (const auto& [kind, linear] : format.linears) {
      if (!linear.quantized()) continue;
      served.widths.insert(linear.bits);
      (linear.group_size == linear.in_features ? rows : served.group_sizes).insert(linear.group_size);
    }
  }
  if (!std::includes(served.group_sizes.begin(), served.group_sizes.end(), rows.begin(), rows.end())) {
    served.group_sizes.insert(-1);
  }
  LWQ_ASSIGN_OR_RETURN(served.zero_points, qat::ZeroPointsOfBlocks(blocks));
  return served;
}

StatusOr<FileTree> TreeOf(ArtifactStore& artifacts, const SmallFiles& files) {
  LWQ_ASSIGN_OR_RETURN(const ArtifactRef ref, UploadContents(artifacts, files));
  return FileTree::Open(&artifacts, ref);
}

// A folder, as far as it is not weights.
struct SourceFolder {
  LlamaConfig config;
  ExportFormat format = ExportFormat::kNone;
  SmallFiles files;       // config and tokenizer
  SmallFiles companions;  // everything else
  std::vector<std::string> notes;
};

Status ReadConfig(SourceFolder& folder) {
  const auto quantize_config = folder.files.find("quantize_config.json");
  const std::string_view beside =
      quantize_config == folder.files.end() ? std::string_view() : quantize_config->second.view();
  LWQ_ASSIGN_OR_RETURN(folder.config, ParseModelConfig(folder.files.at("config.json").view(), beside));
  LWQ_ASSIGN_OR_RETURN(folder.format, qat::FormatOfModel(folder.config));
  return absl::OkStatus();
}

StatusOr<SourceFolder> ReadSourceFolder(const std::string& directory) {
  SourceFolder folder;
  const std::vector<std::string> names = ReadNames();
  LWQ_ASSIGN_OR_RETURN(folder.files, ReadFiles(directory, names));
  if (const Status read = ReadConfig(folder); !read.ok()) return Annotate(read, directory);
  CompanionFiles found = FindCompanionFiles(directory, {names.begin(), names.end()});
  folder.notes = std::move(found.notes);
  LWQ_ASSIGN_OR_RETURN(folder.companions, ReadFiles(directory, ReportNames(directory)));
  for (const auto& [name, path] : found.files) {
    LWQ_ASSIGN_OR_RETURN(folder.companions[name], Bytes::MapFile(path));
  }
  return folder;
}

// The model card, if it is ours, as of the new format.
Status RewriteCard(ExportFormat format, TensorSource& tensors, SourceFolder& folder) {
  const auto card = folder.companions.find(reporting::kModelCardFile);
  if (card == folder.companions.end() || !reporting::IsModelCard(card->second.view())) return absl::OkStatus();
  LWQ_ASSIGN_OR_RETURN(const ServedModel served, ServedModelOf(folder.config, tensors));
  card->second = Bytes::FromString(reporting::ConvertedModelCard(card->second.view(), format, served));
  return absl::OkStatus();
}

}  // namespace

StatusOr<ConvertedExport> ConvertExportFolder(const std::string& directory, ExportFormat format,
                                              const std::string& output, Console* console, Interrupt* interrupt) {
  LWQ_RETURN_IF_ERROR(CheckSource(directory));
  LWQ_ASSIGN_OR_RETURN(SourceFolder folder, ReadSourceFolder(directory));
  LWQ_ASSIGN_OR_RETURN(const auto tensors, OpenModelDirectory(directory));
  LWQ_RETURN_IF_ERROR(RewriteCard(format, *tensors, folder));
  MemoryStore memory;
  ArtifactStore artifacts(&memory);
  LWQ_ASSIGN_OR_RETURN(const FileTree files, TreeOf(artifacts, folder.files));
  LWQ_ASSIGN_OR_RETURN(const FileTree companions, TreeOf(artifacts, folder.companions));

  LWQ_ASSIGN_OR_RETURN(const auto writer, qat::FolderWriter::Create(output));
  qat::CancelToken cancel;
  const auto progress = [&](const qat::Progress& at) {
    if (interrupt->raised()) cancel.cancelled.store(true);
    console->SetLive({absl::StrCat("converting block ", at.step + 1, " of ", at.steps)});
  };
  StatusOr<Json> metrics = qat::ConvertExport(
      {.config = folder.config, .tensors = tensors.get(), .files = &files, .companions = &companions}, format, *writer,
      progress, cancel);
  console->ClearLive();
  if (interrupt->raised()) return interrupt->reason();
  if (!metrics.ok()) return Annotate(metrics.status(), directory);
  LWQ_RETURN_IF_ERROR(writer->Commit());
  return ConvertedExport{.from = folder.format,
                         .size_bytes = writer->total_bytes(),
                         .metrics = *std::move(metrics),
                         .notes = std::move(folder.notes)};
}

}  // namespace lwq::client
