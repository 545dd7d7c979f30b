// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/inspect_folder.h"

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "common/bytes/bytes.h"
#include "common/export/inspect/efficientqat_layout.h"
#include "common/export/inspect/linear_check.h"
#include "common/export/inspect/shard_check.h"
#include "common/model/check_finite.h"
#include "common/model/check_model.h"
#include "common/model/model_config.h"
#include "common/model/quantization.h"
#include "common/tokenizer/load_tokenizer.h"

namespace lwq::qat {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlainFormat = "plain";
constexpr std::string_view kGptqMethod = "gptq";
constexpr std::string_view kEfficientQat = "efficientqat";

// What a tensor's bytes are of, by its name.
struct KindOfName {
  std::string_view ending;
  std::string_view kind;
  bool stored_bits = false;  // of a quantized linear
};
constexpr KindOfName kKindsOfNames[] = {
    {".qweight", "codes", true},
    {".weight_packed", "codes", true},
    {".scales", "scales", true},
    {".weight_scale", "scales", true},
    {".qzeros", "zero points", true},
    {".weight_zero_point", "zero points", true},
    {".g_idx", "group indices and shapes"},
    {".weight_shape", "group indices and shapes"},
    {"_proj.weight", "full-precision linears"},
    {"embed_tokens.weight", "embedding"},
    {"lm_head.weight", "head"},
    {"norm.weight", "norms and biases"},
    {".bias", "norms and biases"},
};

const KindOfName* KindOf(std::string_view tensor) {
  for (const KindOfName& row : kKindsOfNames) {
    if (tensor.ends_with(row.ending)) return &row;
  }
  return nullptr;
}

StatusOr<Bytes> ReadIfThere(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return Bytes();
  return Bytes::MapFile(path.string());
}

class FolderInspector {
 public:
  FolderInspector(const std::string& folder, const std::function<Status()>& go_on) : folder_(folder), go_on_(go_on) {
    found_.path = folder;
  }

  StatusOr<Inspection> Run() {
    const bool has_config = ReadConfig();
    const bool has_tensors = OpenTensors();
    if (has_config) CheckTokenizer();
    if (has_tensors) CountBytes();
    if (has_config && has_tensors && Recognise()) {
      CheckOutsideBlocks();
      for (int64_t block = 0; block < config_.num_hidden_layers; ++block) {
        if (go_on_) LWQ_RETURN_IF_ERROR(go_on_());
        CheckOneBlock(block);
      }
      SumUp();
      SayUnused();
    }
    return std::move(found_);
  }

 private:
  void Fault(const Status& status) { found_.AddFault(std::string(MessageOf(status))); }

  bool ReadConfig() {
    const StatusOr<Bytes> config = ReadIfThere(folder_ / "config.json");
    const StatusOr<Bytes> beside = ReadIfThere(folder_ / "quantize_config.json");
    if (!config.ok() || !beside.ok()) return Fault(config.ok() ? beside.status() : config.status()), false;
    if (config->empty()) return found_.AddFault("config.json is not there, or empty: shapes cannot be checked"), false;
    StatusOr<LlamaConfig> parsed = ParseModelConfig(config->view(), beside->view());
    if (!parsed.ok()) return Fault(parsed.status()), false;
    config_ = *std::move(parsed);
    found_.architecture = config_.architecture;
    found_.checks.emplace_back("config.json: architecture and sizes");
    return true;
  }

  bool OpenTensors() {
    found_.checks.emplace_back("safetensors: headers, offsets, sizes, shards against their index");
    if (!CheckShards(folder_.string(), found_)) return false;
    auto source = OpenModelDirectory(folder_.string());
    if (!source.ok()) return Fault(source.status()), false;
    source_ = *std::move(source);
    return true;
  }

  void CheckTokenizer() {
    std::array<Bytes, kTokenizerFileNames.size()> contents;
    TokenizerFiles files;
    std::vector<std::string> names;
    for (size_t i = 0; i < kTokenizerFileNames.size(); ++i) {
      StatusOr<Bytes> read = ReadIfThere(folder_ / kTokenizerFileNames[i].name);
      if (!read.ok()) return Fault(read.status());
      if (read->empty()) continue;
      contents[i] = *std::move(read);
      files.*kTokenizerFileNames[i].contents = contents[i].view();
      names.emplace_back(kTokenizerFileNames[i].name);
    }
    if (!files.tokenizer_json.has_value() && !files.tokenizer_model.has_value()) {
      found_.tokenizer = "none";
      found_.remarks.emplace_back("there is no tokenizer.json and no tokenizer.model");
      return;
    }
    const auto tokenizer = LoadTokenizer(files);
    if (!tokenizer.ok()) return Fault(tokenizer.status());
    found_.tokenizer = absl::StrCat(files.tokenizer_json.has_value() ? "tokenizer.json" : "tokenizer.model", ", ",
                                    (*tokenizer)->vocab_size(), " tokens");
    found_.checks.emplace_back("tokenizer: its files, tokens against rows of the embedding");
    if ((*tokenizer)->vocab_size() <= config_.vocab_size) return;
    found_.AddFault(absl::StrCat("the tokenizer has ", (*tokenizer)->vocab_size(), " tokens, and the embedding ",
                                 config_.vocab_size, " rows"));
  }

  void CountBytes() {
    for (const auto& [name, entry] : source_->entries()) {
      const KindOfName* kind = KindOf(name);
      const int64_t bytes = entry.end_bytes - entry.begin_bytes;
      found_.bytes[std::string(kind == nullptr ? "other tensors" : kind->kind)] += bytes;
      if (kind != nullptr && kind->stored_bits) stored_bytes_ += bytes;
    }
  }

  // Which format it is; false where its quantization_config cannot be read.
  bool Recognise() {
    if (config_.quantization_config.is_null()) return RecogniseByTensors(), true;
    const Json& quantization = config_.quantization_config;
    const auto text = [&](const char* key) {
      const bool is_text = quantization.is_object() && quantization.contains(key) && quantization[key].is_string();
      return is_text ? quantization[key].get<std::string>() : std::string();
    };
    const std::string method = text("quant_method");
    const std::string layout = text("checkpoint_format").empty() ? text("format") : text("checkpoint_format");
    found_.recognised_by = absl::StrCat("quantization_config: quant_method \"", method, "\", format \"", layout, "\"");
    if (method == "compressed-tensors") {
      found_.format = WordOf(ExportFormat::kCompressedTensors);
    } else if (!method.empty() && method != kGptqMethod) {
      found_.format = method;  // which is refused below
    } else {
      found_.format = layout.empty() ? WordOf(ExportFormat::kGptq) : std::string_view(layout);
    }
    auto rules = QuantizationOf(config_);
    if (!rules.ok()) return Fault(rules.status()), false;
    rules_ = *std::move(rules);
    return true;
  }

  void RecogniseByTensors() {
    for (const auto& [name, entry] : source_->entries()) {
      if (!name.ends_with(".qweight")) continue;
      found_.format = kEfficientQat;
      found_.recognised_by = "tensors called qweight, and no quantization_config";
      return;
    }
    found_.format = kPlainFormat;
    found_.recognised_by = "no quantization_config, linears called weight";
  }

  void CheckFloat(const std::string& name, const std::vector<int64_t>& shape) {
    used_.insert(name);
    const Status fits = CheckFloatTensor(*source_, name, shape);
    if (!fits.ok()) return Fault(fits);
    const StatusOr<HostTensor> tensor = source_->Read(name);
    if (!tensor.ok()) return Fault(tensor.status());
    const Status finite = CheckFiniteTensor(*tensor, name);
    if (!finite.ok()) Fault(finite);
  }

  void CheckOutsideBlocks() {
    const std::vector<int64_t> vocabulary = {config_.vocab_size, config_.hidden_size};
    const std::string embedding = EmbeddingTensorOf(config_, *source_);
    const std::string head = HeadTensorOf(config_, *source_);
    CheckFloat(embedding, vocabulary);
    if (head != embedding) CheckFloat(head, vocabulary);
    CheckFloat(std::string(kFinalNormTensor), {config_.hidden_size});
    found_.head = head == embedding ? "tied to the embedding" : "of its own";
    if (!config_.tie_word_embeddings || head == embedding) return;
    const StatusOr<bool> differs = HasHeadOfItsOwn(config_, *source_);
    if (!differs.ok() || !*differs) return;
    found_.remarks.emplace_back("config.json ties the head to the embedding, and both are stored and differ");
  }

  void CheckOneBlock(int64_t block) {
    const std::string prefix = BlockPrefix(block);
    std::map<LinearKind, StoredLinear> linears;
    for (const LinearKind kind : kAllLinears) {
      const std::string name = absl::StrCat(prefix, LinearName(kind));
      if (const auto stored = CheckOneLinear(name, ShapeOf(config_, kind))) linears[kind] = *stored;
      if (config_.HasBias(kind)) {
        CheckFloat(name + ".bias", {ShapeOf(config_, kind).out_features});
      } else if (const Status none = CheckNoBias(*source_, name, config_.architecture); !none.ok()) {
        Fault(none);
      }
    }
    CheckFloat(absl::StrCat(prefix, kInputNorm), {config_.hidden_size});
    CheckFloat(absl::StrCat(prefix, kPostAttentionNorm), {config_.hidden_size});
    if (config_.query_key_norms) {
      CheckFloat(absl::StrCat(prefix, kQueryNorm), {config_.head_dim});
      CheckFloat(absl::StrCat(prefix, kKeyNorm), {config_.head_dim});
    }
    SayWholeRows(linears);
    AppendBlock(block, std::move(linears), found_.blocks);
  }

  // A group that is a row is called so, unless it is as long as the groups of others that are none.
  void SayWholeRows(std::map<LinearKind, StoredLinear>& linears) const {
    const auto is_row = [this](LinearKind kind, const StoredLinear& linear) {
      return linear.group_size == ShapeOf(config_, kind).in_features;
    };
    std::set<std::pair<int, int64_t>> parts_of_rows;
    for (const auto& [kind, linear] : linears) {
      if (!is_row(kind, linear)) parts_of_rows.emplace(linear.bits, linear.group_size);
    }
    for (auto& [kind, linear] : linears) {
      const bool alone = !parts_of_rows.contains({linear.bits, linear.group_size});
      if (linear.bits != 0 && is_row(kind, linear) && alone) linear.group_size = -1;
    }
  }

  std::optional<StoredLinear> CheckOneLinear(const std::string& name, const LinearShape& shape) {
    if (found_.format == kEfficientQat) return CheckEfficientQat(name, shape);
    const StatusOr<LinearStorage> storage = StorageOf(rules_, name, shape.in_features);
    if (!storage.ok()) return Fault(storage.status()), std::nullopt;
    if (!storage->quantized) {
      CheckFloat(name + ".weight", {shape.out_features, shape.in_features});
      const auto entry = source_->entries().find(name + ".weight");
      if (entry == source_->entries().end()) return std::nullopt;
      return StoredLinear{.type = std::string(entry->second.dtype_name())};
    }
    return CheckCodes(name, *storage, shape);
  }

  StoredLinear CheckCodes(const std::string& name, const LinearStorage& storage, const LinearShape& shape) {
    for (const ExportTensor& tensor : StoredTensors(storage, shape)) used_.insert(absl::StrCat(name, tensor.suffix));
    CheckStoredLinear(*source_, name, storage, shape, found_);
    return Counted(storage.bits, storage.group_size, shape);
  }

  std::optional<StoredLinear> CheckEfficientQat(const std::string& name, const LinearShape& shape) {
    const auto linear = EfficientQatLinearOf(*source_, name, shape);
    if (!linear.has_value()) {
      found_.AddFault(absl::StrCat(name, ": the shapes of qweight and scales are of no width"));
      return std::nullopt;
    }
    if (linear->bits != 3) {
      return CheckCodes(name, {.bits = linear->bits, .group_size = linear->group_size}, shape);
    }
    for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"}) used_.insert(name + part);
    CheckEfficientQatThreeBits(*source_, name, shape, linear->group_size, found_);
    return Counted(linear->bits, linear->group_size, shape);
  }

  StoredLinear Counted(int bits, int64_t group_size, const LinearShape& shape) {
    const int64_t weights = shape.out_features * shape.in_features;
    found_.quantized_weights += weights;
    code_bits_ += weights * bits;
    return {.bits = bits, .group_size = group_size, .type = {}};
  }

  void SumUp() {
    found_.checks.emplace_back("every tensor: presence, dtype, shape, finite values");
    if (found_.quantized_weights == 0) return;
    const auto weights = static_cast<double>(found_.quantized_weights);
    found_.average_bits = static_cast<double>(code_bits_) / weights;
    found_.stored_bits_per_weight = 8 * static_cast<double>(stored_bytes_) / weights;
    found_.checks.emplace_back("quantized linears: scales above 0, zero points, group indices, unused bits");
  }

  void SayUnused() {
    std::vector<std::string> unused;
    for (const auto& [name, entry] : source_->entries()) {
      if (!used_.contains(name) && !name.ends_with(".bias")) unused.push_back(name);
    }
    if (unused.empty()) return;
    found_.remarks.push_back(absl::StrCat(unused.size(), " tensors that the model does not use: ", Named(unused)));
  }

  const fs::path folder_;
  const std::function<Status()>& go_on_;
  Inspection found_;
  LlamaConfig config_;
  std::unique_ptr<TensorSource> source_;
  std::optional<ModuleRules> rules_;
  std::set<std::string> used_;
  int64_t stored_bytes_ = 0;
  int64_t code_bits_ = 0;
};

}  // namespace

StatusOr<Inspection> InspectFolder(const std::string& folder, const std::function<Status()>& go_on) {
  return FolderInspector(folder, go_on).Run();
}

}  // namespace lwq::qat
