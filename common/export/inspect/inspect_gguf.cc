// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/inspect_gguf.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/bytes/bytes.h"
#include "common/export/gguf/gguf_file.h"
#include "common/export/gguf/gguf_metadata.h"
#include "common/export/gguf/gguf_names.h"
#include "common/model/check_finite.h"

namespace lwq::qat {
namespace {

// tokenizer.ggml.model of a file that llama.cpp loads without a tokenizer.
constexpr std::string_view kNoTokenizer = "none";

constexpr int64_t kMostGgufBlocks = 10'000;
constexpr int64_t kMostGgufSize = int64_t{1} << 31;  // so that products of two are numbers

class GgufInspector {
 public:
  GgufInspector(const std::string& path, const std::function<Status()>& go_on) : path_(path), go_on_(go_on) {
    found_.path = path;
    found_.format = "gguf";
    found_.recognised_by = "the file's name";
  }

  StatusOr<Inspection> Run() {
    found_.checks = {"header: counts, lengths, types, offsets"};
    LWQ_ASSIGN_OR_RETURN(Bytes bytes, Bytes::MapFile(path_));
    StatusOr<GgufFile> file = GgufFile::Parse(std::move(bytes), path_);
    if (!file.ok()) {
      found_.AddFault(std::string(MessageOf(file.status())));
      return std::move(found_);
    }
    file_.emplace(*std::move(file));
    for (const GgufTensor& tensor : file_->tensors()) tensors_.emplace(tensor.name, &tensor);
    found_.recognised_by = "its first four bytes";
    if (ReadShape()) LWQ_RETURN_IF_ERROR(CheckTensors());
    CheckTokenizerKeys();
    return std::move(found_);
  }

 private:
  template <typename T>
  std::optional<T> Key(std::string_view key) const {
    const auto value = file_->metadata().find(key);
    if (value == file_->metadata().end()) return std::nullopt;
    const T* typed = std::get_if<T>(&value->second);
    return typed == nullptr ? std::nullopt : std::optional<T>(*typed);
  }

  // A whole number of whatever type; nothing where there is none above 0.
  std::optional<int64_t> Size(std::string_view key) const {
    const auto value = file_->metadata().find(key);
    if (value == file_->metadata().end()) return std::nullopt;
    return std::visit(
        [](const auto& number) -> std::optional<int64_t> {
          using T = std::decay_t<decltype(number)>;
          if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            const auto size = static_cast<int64_t>(number);
            return size > 0 && size < kMostGgufSize ? std::optional<int64_t>(size) : std::nullopt;
          } else {
            return std::nullopt;
          }
        },
        value->second);
  }

  // Reads a size that llama.cpp refuses to do without.
  bool Need(std::string_view key, int64_t& size) {
    const std::string full = absl::StrCat(architecture_, ".", key);
    const std::optional<int64_t> value = Size(full);
    if (value.has_value()) return size = *value, true;
    found_.AddFault(absl::StrCat("key ", full, " is missing, or no number above 0"));
    return false;
  }

  bool ReadShape() {
    architecture_ = Key<std::string>("general.architecture").value_or("");
    found_.architecture = architecture_;
    if (architecture_.empty()) return found_.AddFault("key general.architecture is missing"), false;
    bool complete = Need("block_count", config_.num_hidden_layers);
    complete = Need("embedding_length", config_.hidden_size) && complete;
    complete = Need("feed_forward_length", config_.intermediate_size) && complete;
    complete = Need("attention.head_count", config_.num_attention_heads) && complete;
    complete = Need("context_length", config_.max_position_embeddings) && complete;
    if (!complete) return false;
    if (config_.num_hidden_layers > kMostGgufBlocks) {
      return found_.AddFault(absl::StrCat("block_count is ", config_.num_hidden_layers)), false;
    }
    const auto or_else = [this](std::string_view key, int64_t otherwise) {
      return Size(absl::StrCat(architecture_, ".", key)).value_or(otherwise);
    };
    config_.num_key_value_heads = or_else("attention.head_count_kv", config_.num_attention_heads);
    config_.head_dim = or_else("attention.key_length", config_.hidden_size / config_.num_attention_heads);
    for (const char* key : {"attention.layer_norm_rms_epsilon", "rope.freq_base"}) {
      if (file_->metadata().contains(absl::StrCat(architecture_, ".", key))) continue;
      found_.AddFault(absl::StrCat("key ", architecture_, ".", key, " is missing",
                                   key[0] == 'r' ? ": llama.cpp takes 10000 without a word" : ""));
    }
    found_.checks.emplace_back("keys: sizes, rotations, tokenizer");
    return true;
  }

  Status CheckTensors() {
    const GgufTensor* embedding = Find("token_embd.weight");
    if (embedding != nullptr && embedding->shape.size() == 2) config_.vocab_size = embedding->shape[0];
    const std::vector<int64_t> vocabulary = {config_.vocab_size, config_.hidden_size};
    CheckWeights("token_embd.weight", vocabulary, "embedding");
    CheckWeights("output_norm.weight", {config_.hidden_size}, "norms and biases");
    const bool own_head = Find("output.weight") != nullptr;
    if (own_head) CheckWeights("output.weight", vocabulary, "head");
    found_.head = own_head ? "of its own" : "tied to the embedding";
    for (int64_t block = 0; block < config_.num_hidden_layers; ++block) {
      if (go_on_) LWQ_RETURN_IF_ERROR(go_on_());
      CheckOneBlock(block);
    }
    CheckNothingElse();
    if (found_.quantized_weights > 0) {
      found_.stored_bits_per_weight =
          8 * static_cast<double>(found_.bytes["quantized linears"]) / static_cast<double>(found_.quantized_weights);
    }
    found_.checks.emplace_back("every tensor: presence, shape, finite values; none that llama.cpp does not know");
    return absl::OkStatus();
  }

  void CheckOneBlock(int64_t block) {
    const std::string prefix = BlockPrefix(block);
    std::map<LinearKind, StoredLinear> linears;
    for (const LinearKind kind : kAllLinears) {
      const LinearShape shape = ShapeOf(config_, kind);
      const std::string linear = absl::StrCat(prefix, LinearName(kind));
      const std::string name = LlamaCppName(linear + ".weight");
      const GgufTensor* tensor = Find(name);
      const bool packed = tensor != nullptr && !TraitsOf(tensor->type).is_plain();
      CheckWeights(name, {shape.out_features, shape.in_features},
                   packed ? "quantized linears" : "full-precision linears");
      if (tensor != nullptr) linears[kind] = {.type = std::string(TraitsOf(tensor->type).name)};
      const bool fits = packed && tensor->shape == std::vector<int64_t>{shape.out_features, shape.in_features};
      if (fits) found_.quantized_weights += shape.out_features * shape.in_features;
      CheckIfThere(LlamaCppName(linear + ".bias"), {shape.out_features});
    }
    CheckWeights(LlamaCppName(absl::StrCat(prefix, kInputNorm)), {config_.hidden_size}, "norms and biases");
    CheckWeights(LlamaCppName(absl::StrCat(prefix, kPostAttentionNorm)), {config_.hidden_size}, "norms and biases");
    CheckIfThere(LlamaCppName(absl::StrCat(prefix, kQueryNorm)), {config_.head_dim});
    CheckIfThere(LlamaCppName(absl::StrCat(prefix, kKeyNorm)), {config_.head_dim});
    AppendBlock(block, std::move(linears), found_.blocks);
  }

  const GgufTensor* Find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  void CheckIfThere(const std::string& name, const std::vector<int64_t>& shape) {
    if (Find(name) != nullptr) CheckWeights(name, shape, "norms and biases");
  }

  void CheckWeights(const std::string& name, const std::vector<int64_t>& shape, std::string_view kind) {
    used_.insert(name);
    const GgufTensor* tensor = Find(name);
    if (tensor == nullptr) return found_.AddFault(absl::StrCat("tensor ", name, " is missing"));
    found_.bytes[std::string(kind)] += tensor->bytes();
    if (tensor->shape != shape) {
      return found_.AddFault(
          absl::StrCat("tensor ", name, " is ", ShapeText(tensor->shape), ", expected ", ShapeText(shape)));
    }
    const StatusOr<HostTensor> weights = file_->Weights(name);
    const Status finite = weights.ok() ? CheckFiniteTensor(*weights, name) : weights.status();
    if (!finite.ok()) found_.AddFault(std::string(MessageOf(finite)));
  }

  void CheckNothingElse() {
    std::vector<std::string> unknown;
    for (const GgufTensor& tensor : file_->tensors()) {
      if (used_.contains(tensor.name)) continue;
      if (tensor.name == kRopeFactorsTensor) {
        CheckWeights(tensor.name, {config_.head_dim / 2}, "norms and biases");
      } else {
        unknown.push_back(tensor.name);
      }
    }
    if (unknown.empty()) return;
    found_.AddFault(
        absl::StrCat("llama.cpp refuses a file with tensors that the model does not use: ", Named(unknown)));
  }

  void CheckTokenizerKeys() {
    const std::string model = Key<std::string>("tokenizer.ggml.model").value_or("");
    if (model.empty()) return found_.AddFault("key tokenizer.ggml.model is missing");
    found_.tokenizer = model;
    const auto tokens = Key<GgufArray>("tokenizer.ggml.tokens");
    const auto* texts = tokens.has_value() ? std::get_if<std::vector<std::string>>(&*tokens) : nullptr;
    if (model == kNoTokenizer) return;
    if (texts == nullptr) return found_.AddFault("key tokenizer.ggml.tokens is missing, or no list of texts");
    found_.tokenizer = absl::StrCat(model, ", ", texts->size(), " tokens");
    if (config_.vocab_size > 0 && static_cast<int64_t>(texts->size()) != config_.vocab_size) {
      found_.AddFault(absl::StrCat("tokenizer.ggml.tokens has ", texts->size(), " tokens, and the embedding ",
                                   config_.vocab_size, " rows"));
    }
    if (model == "gpt2" && !Key<std::string>("tokenizer.ggml.pre").has_value()) {
      found_.AddFault("key tokenizer.ggml.pre is missing: llama.cpp then cuts texts by another rule, and only warns");
    }
    for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
      if (!file_->metadata().contains(key)) found_.AddFault(absl::StrCat("key ", key, " is missing"));
    }
    if (const auto exact = Key<bool>("lwq.exact"); exact.has_value() && !*exact) {
      found_.remarks.emplace_back("lwq.exact is false: weights of 4 bits were rounded on their way into Q4_1");
    }
  }

  const std::string path_;
  const std::function<Status()>& go_on_;
  Inspection found_;
  std::optional<GgufFile> file_;
  std::map<std::string, const GgufTensor*, std::less<>> tensors_;
  std::string architecture_;
  LlamaConfig config_;
  std::set<std::string> used_;
};

}  // namespace

StatusOr<Inspection> InspectGguf(const std::string& path, const std::function<Status()>& go_on) {
  return GgufInspector(path, go_on).Run();
}

}  // namespace lwq::qat
