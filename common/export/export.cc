// SPDX-License-Identifier: Apache-2.0
#include "common/export/export.h"

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "common/export/block_checkpoint.h"
#include "common/export/export_layout.h"
#include "common/export/file_tree_writer.h"
#include "common/export/model_blocks.h"
#include "common/export/tensor_files.h"
#include "common/model/check_model.h"
#include "common/model/tensor_source.h"

namespace lwq::qat {
namespace {

constexpr int64_t kMaxCopiedFileBytes = int64_t{64} << 20;  // a tokenizer.json has a few MB

bool EndsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// Whether no part of the export itself can have this name.
bool IsNotWritten(std::string_view path) {
  return path != "config.json" && path != "quantize_config.json" && !EndsWith(path, ".index.json") &&
         !EndsWith(path, ".safetensors") && !EndsWith(path, ".gguf");
}

bool IsLicence(std::string_view path) {
  return path.starts_with("LICENSE") && path.find('/') == std::string_view::npos;
}

// Tokenizer, chat template, generation settings, licence: small files at the top of a model directory that are not
// weights and that this export does not write itself.
bool IsCopied(std::string_view path) {
  if (path.find('/') != std::string_view::npos || !IsNotWritten(path)) return false;
  for (const std::string_view ending : {".json", ".model", ".txt", ".jinja"}) {
    if (EndsWith(path, ending)) return true;
  }
  return IsLicence(path);
}

// One export, from plan to written files.
class Exporter {
 public:
  Exporter(const ExportSource& source, BlockSource& blocks, const ExportOptions& options, FileSink& sink,
           const ProgressSink& progress, const CancelToken& cancel)
      : model_(*source.files),
        source_(*source.tensors),
        blocks_(blocks),
        options_(options),
        layout_(MakeExportLayout(options.format)),
        sink_(sink),
        progress_(progress),
        cancel_(cancel),
        config_(source.config) {}

  StatusOr<Json> Run() {
    LWQ_RETURN_IF_ERROR(LookAtHead());
    LWQ_RETURN_IF_ERROR(Plan());
    LWQ_RETURN_IF_ERROR(WriteSmallFiles());
    LWQ_RETURN_IF_ERROR(WriteTensors());
    return Metrics();
  }

 private:
  Status LookAtHead() {
    embedding_name_ = EmbeddingTensorOf(config_, source_);
    LWQ_ASSIGN_OR_RETURN(has_own_head_, HasHeadOfItsOwn(config_, source_));
    if (has_own_head_) config_.tie_word_embeddings = false;
    return absl::OkStatus();
  }

  DType SourceDType(std::string_view name) const { return source_.entries().at(std::string(name)).dtype; }

  Status Plan() {
    if (blocks_.blocks() != config_.num_hidden_layers) {
      return absl::InvalidArgumentError(
          absl::StrCat("export got ", blocks_.blocks(), " blocks of a model that has ", config_.num_hidden_layers));
    }
    for (int64_t block = 0; block < blocks_.blocks(); ++block) {
      LWQ_ASSIGN_OR_RETURN(BlockFormat layout, blocks_.Format(block));
      LWQ_RETURN_IF_ERROR(CheckBlockFits(config_, layout, absl::StrCat("block ", block)));
      LWQ_RETURN_IF_ERROR(CheckFormatHolds(options_.format, block, layout, options_.zero_points));
      formats_.push_back(std::move(layout));
    }
    HeadDTypes head{.embedding = SourceDType(embedding_name_), .final_norm = SourceDType(kFinalNormTensor)};
    if (!config_.tie_word_embeddings) head.lm_head = SourceDType(kHeadTensor);
    LWQ_RETURN_IF_ERROR(layout_->Begin({.config = config_,
                                        .files = model_,
                                        .tokenizer = options_.tokenizer,
                                        .companions = options_.companions,
                                        .blocks = formats_,
                                        .zero_points = options_.zero_points}));
    files_ = layout_->LayOut(PlanTensors(config_, head, options_.format, formats_, options_.zero_points),
                             options_.shard_bytes);
    return absl::OkStatus();
  }

  // What an earlier tree had under the same name stays.
  Status CopySmallFiles(const FileTree& tree, bool (*is_copied)(std::string_view path)) {
    for (const std::string& path : tree.paths()) {
      if (!is_copied(path) || !copied_.insert(path).second) continue;
      LWQ_ASSIGN_OR_RETURN(const int64_t size_bytes, tree.SizeBytes(path));
      if (size_bytes > kMaxCopiedFileBytes) continue;
      LWQ_ASSIGN_OR_RETURN(const Bytes contents, tree.ReadAll(path));
      LWQ_RETURN_IF_ERROR(sink_.Add(path, contents.view()));
    }
    return absl::OkStatus();
  }

  Status WriteSmallFiles() {
    if (layout_->is_self_contained()) {
      LWQ_RETURN_IF_ERROR(CopySmallFiles(model_, IsLicence));
      return options_.companions == nullptr ? absl::OkStatus() : CopySmallFiles(*options_.companions, IsNotWritten);
    }
    LWQ_RETURN_IF_ERROR(CopySmallFiles(model_, IsCopied));
    if (options_.tokenizer != nullptr) LWQ_RETURN_IF_ERROR(CopySmallFiles(*options_.tokenizer, IsCopied));
    if (options_.companions != nullptr) LWQ_RETURN_IF_ERROR(CopySmallFiles(*options_.companions, IsNotWritten));
    LWQ_ASSIGN_OR_RETURN(const Bytes config_text, model_.ReadAll("config.json"));
    LWQ_ASSIGN_OR_RETURN(Json config, ParseJson(config_text.view(), "config.json"));
    if (config.contains("quantization_config") && !config["quantization_config"].is_null()) {
      config.erase("quantization_config");  // the source's, which may have been in another format
    }
    config["torch_dtype"] = "float16";
    if (config.contains("dtype")) config["dtype"] = "float16";
    if (has_own_head_) config["tie_word_embeddings"] = false;  // as it was read; not every reader looks at the tensors
    LWQ_ASSIGN_OR_RETURN(const SmallFiles files, layout_->Configure(formats_, config));
    for (const auto& [path, contents] : files) LWQ_RETURN_IF_ERROR(sink_.Add(path, contents));
    return sink_.Add("config.json", config.dump(2) + "\n");
  }

  Status WriteTensors() {
    NamedTensors block;  // the current block's
    int64_t loaded_block = -1;
    const auto read = [&](const PlannedTensor& planned) -> StatusOr<HostTensor> {
      if (cancel_.cancelled.load()) return absl::CancelledError("export cancelled");
      const bool in_block = planned.block >= 0 && planned.block < config_.num_hidden_layers;
      if (!in_block) {
        block.clear();
        return source_.Read(planned.name == kEmbeddingTensor ? embedding_name_ : planned.name);
      }
      if (planned.block != loaded_block) {
        block.clear();
        LWQ_ASSIGN_OR_RETURN(block, MakeBlock(planned.block));
        loaded_block = planned.block;
      }
      return block.at(planned.name);
    };
    return files_->Write(read, sink_);
  }

  StatusOr<NamedTensors> MakeBlock(int64_t index) {
    if (progress_) progress_(Progress{.stage = "export", .step = index, .steps = config_.num_hidden_layers});
    LWQ_ASSIGN_OR_RETURN(const BlockState block, blocks_.Load(index));
    const std::string what = absl::StrCat("block ", index);
    LWQ_RETURN_IF_ERROR(CheckBlock(block, what));
    if (FormatOf(block) != formats_[static_cast<size_t>(index)]) {
      return absl::DataLossError(absl::StrCat(what, " is not stored in the format it was announced in"));
    }
    NamedTensors tensors;
    const std::string prefix = BlockPrefix(index);
    for (const auto& [kind, weight] : block.linears) {
      const std::string name = absl::StrCat(prefix, LinearName(kind));
      if (const auto* quantized = std::get_if<QuantizedLinear>(&weight)) {
        LWQ_RETURN_IF_ERROR(layout_->Add(*quantized, name, tensors));
      } else {
        tensors[name + ".weight"] = std::get<HostTensor>(weight);
      }
    }
    for (const auto& [kind, bias] : block.biases) tensors[absl::StrCat(prefix, LinearName(kind), ".bias")] = bias;
    for (const auto& [name, norm] : NormsOf(block)) tensors[absl::StrCat(prefix, name)] = *norm;
    return tensors;
  }

  Json Metrics() const {
    int64_t tensor_bytes = 0;
    int64_t stored_bytes = 0;
    for (const PlannedTensor& tensor : files_->tensors()) {
      tensor_bytes += tensor.bytes();
      if (tensor.quantized_part) stored_bytes += tensor.bytes();
    }
    int64_t weights = 0;
    int64_t code_bits = 0;
    for (const BlockFormat& block : formats_) {
      for (const auto& [kind, linear] : block.linears) {
        if (!linear.quantized()) continue;
        weights += linear.out_features * linear.in_features;
        code_bits += linear.out_features * linear.in_features * linear.bits;
      }
    }
    const auto per_weight = [weights](int64_t bits) {
      return weights == 0 ? 0.0 : static_cast<double>(bits) / static_cast<double>(weights);
    };
    Json metrics = {{"format", std::string(WordOf(options_.format))},
                    {"file_bytes", sink_.total_bytes()},
                    {"tensor_bytes", tensor_bytes},
                    {"shards", files_->shards()},
                    {"quantized_weights", weights},
                    {"stored_bits_per_weight", per_weight(8 * stored_bytes)},
                    {"average_bits", per_weight(code_bits)}};
    layout_->AddMetrics(metrics);
    return metrics;
  }

  const FileTree& model_;
  TensorSource& source_;
  BlockSource& blocks_;
  const ExportOptions options_;
  const std::unique_ptr<ExportLayout> layout_;
  FileSink& sink_;
  const ProgressSink& progress_;
  const CancelToken& cancel_;

  LlamaConfig config_;
  std::string embedding_name_;  // in the source
  bool has_own_head_ = false;   // although the source's config.json ties it
  std::vector<BlockFormat> formats_;
  std::unique_ptr<TensorFiles> files_;
  std::set<std::string> copied_;
};

}  // namespace

StatusOr<BlockFormat> CheckpointBlocks::Format(int64_t block) {
  const auto format = LoadBlockFormat(*blobs_, artifacts_[static_cast<size_t>(block)]);
  if (!format.ok()) return Annotate(format.status(), absl::StrCat("block ", block));
  return format;
}

StatusOr<BlockState> CheckpointBlocks::Load(int64_t block) {
  auto state = LoadBlockCheckpoint(*blobs_, artifacts_[static_cast<size_t>(block)]);
  if (!state.ok()) return Annotate(state.status(), absl::StrCat("block ", block));
  return state;
}

StatusOr<ExportResult> ExportModel(const FileTree& model, BlockSource& blocks, const ExportOptions& options,
                                   ArtifactStore& store, const ProgressSink& progress, const CancelToken& cancel) {
  ExportSource source{.config = {}, .tensors = nullptr, .files = &model};
  LWQ_ASSIGN_OR_RETURN(source.config, ReadModelConfig(model));
  if (!source.config.quantization_config.is_null()) {
    return absl::FailedPreconditionError(
        "the model is quantized already (it has a quantization_config); export needs the full-precision model its "
        "blocks were trained from");
  }
  LWQ_ASSIGN_OR_RETURN(const auto tensors, OpenModelTree(&model));
  LWQ_RETURN_IF_ERROR(CheckModelTensors(source.config, *tensors));
  source.tensors = tensors.get();
  FileTreeWriter writer(&store);
  ExportResult result;
  LWQ_ASSIGN_OR_RETURN(result.metrics, WriteExport(source, blocks, options, writer, progress, cancel));
  LWQ_ASSIGN_OR_RETURN(result.files, writer.Finish());
  return result;
}

StatusOr<Json> WriteExport(const ExportSource& source, BlockSource& blocks, const ExportOptions& options,
                           FileSink& sink, const ProgressSink& progress, const CancelToken& cancel) {
  if (options.shard_bytes < 1) {
    return absl::InvalidArgumentError(absl::StrCat("shard_bytes is ", options.shard_bytes, ", expected at least 1"));
  }
  return Exporter(source, blocks, options, sink, progress, cancel).Run();
}

}  // namespace lwq::qat
