// SPDX-License-Identifier: Apache-2.0
#include "common/export/block_format.h"

#include <string>
#include <utility>
#include <variant>

#include "common/export/bit_pack.h"
#include "common/export/half.h"
#include "common/export/quantized_linear.h"

namespace lwq::qat {
namespace {

constexpr int kVersion = 1;
constexpr int kVersionWithExtras = 2;               // biases, norms of queries and keys
constexpr int64_t kMaxFeatures = int64_t{1} << 28;  // far above any model, so that products cannot overflow

Status Damaged(std::string_view what, std::string_view problem) {
  return absl::DataLossError(absl::StrCat(what, " is not a block checkpoint: ", problem));
}

Status CheckWeight(const HostTensor& weight, std::string_view what) {
  if (!IsFloat(weight.dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is ", DTypeName(weight.dtype), ", expected F32, F16 or BF16"));
  }
  LWQ_ASSIGN_OR_RETURN(const int64_t elements, ElementCount(weight.shape));
  if (weight.bytes.size() == static_cast<size_t>(elements * DTypeBytes(weight.dtype))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", ShapeText(weight.shape), " holds ", weight.bytes.size(), " bytes"));
}

Status CheckLinear(const LinearWeight& weight, std::string_view what) {
  if (const auto* quantized = std::get_if<QuantizedLinear>(&weight)) return CheckQuantizedLinear(*quantized, what);
  const auto& full = std::get<HostTensor>(weight);
  if (full.shape.size() != 2 || full.shape[0] <= 0 || full.shape[1] <= 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is ", ShapeText(full.shape), ", expected [out, in]"));
  }
  return CheckWeight(full, what);
}

// A norm or a bias.
Status CheckVector(const HostTensor& vector, int64_t size, std::string_view what) {
  if (vector.shape != std::vector<int64_t>{size}) {
    return absl::InvalidArgumentError(absl::StrCat(what, " is ", ShapeText(vector.shape), ", expected [", size, "]"));
  }
  return CheckWeight(vector, what);
}

Status CheckHeadNorms(const BlockState& block, std::string_view what) {
  if (block.query_norm.has_value() != block.key_norm.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has only one of ", kQueryNorm, " and ", kKeyNorm));
  }
  if (!block.query_norm) return absl::OkStatus();
  const int64_t head_dim = block.query_norm->shape.empty() ? 0 : block.query_norm->shape[0];
  const int64_t queries = FormatOf(block).linears.at(LinearKind::kQ).out_features;
  if (head_dim < 1 || queries % head_dim != 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", kQueryNorm, " is ", ShapeText(block.query_norm->shape),
                                                   ", which does not divide the ", queries, " queries"));
  }
  LWQ_RETURN_IF_ERROR(CheckVector(*block.query_norm, head_dim, absl::StrCat(what, " ", kQueryNorm)));
  return CheckVector(*block.key_norm, head_dim, absl::StrCat(what, " ", kKeyNorm));
}

// One of them has it, the other has not.
Status Differs(std::string_view what, std::string_view part, bool has) {
  return absl::InvalidArgumentError(absl::StrCat(what, " has ", has ? "a " : "no ", part, ", the model's has ",
                                                 has ? "none" : "one", "; was it made from another model?"));
}

LinearFormat FormatOf(const LinearWeight& weight) {
  if (const auto* quantized = std::get_if<QuantizedLinear>(&weight)) {
    return LinearFormat{.out_features = quantized->out_features,
                        .in_features = quantized->in_features,
                        .bits = quantized->bits,
                        .group_size = quantized->group_size};
  }
  const auto& full = std::get<HostTensor>(weight);
  return LinearFormat{.out_features = full.shape[0], .in_features = full.shape[1], .dtype = full.dtype};
}

StatusOr<DType> FloatDType(const Json& json, std::string_view what) {
  if (!json.is_string()) return Damaged(what, "a dtype is not a string");
  const auto dtype = ParseDType(json.get_ref<const std::string&>());
  if (!dtype.ok() || !IsFloat(*dtype)) return Damaged(what, absl::StrCat("dtype ", json.dump(), " of a weight"));
  return *dtype;
}

StatusOr<int64_t> Positive(const Json& object, std::string_view key, std::string_view what) {
  const auto value = JsonInt(object, key, what);
  if (!value.ok()) return Damaged(what, std::string(value.status().message()));
  if (*value < 1 || *value > kMaxFeatures) return Damaged(what, absl::StrCat(key, " is ", *value));
  return *value;
}

StatusOr<LinearFormat> LinearFromJson(const Json& json, std::string_view what) {
  if (!json.is_object()) return Damaged(what, "a linear is not an object");
  LinearFormat format;
  LWQ_ASSIGN_OR_RETURN(format.out_features, Positive(json, "out_features", what));
  LWQ_ASSIGN_OR_RETURN(format.in_features, Positive(json, "in_features", what));
  if (json.contains("dtype")) {
    if (json.size() != 3) return Damaged(what, "a full-precision linear has unknown fields");
    LWQ_ASSIGN_OR_RETURN(format.dtype, FloatDType(json["dtype"], what));
    return format;
  }
  if (json.size() != 4) return Damaged(what, "a quantized linear has unknown fields");
  LWQ_ASSIGN_OR_RETURN(const int64_t bits, Positive(json, "bits", what));
  LWQ_ASSIGN_OR_RETURN(format.group_size, Positive(json, "group_size", what));
  if (bits > 8 || !IsSupportedBits(static_cast<int>(bits))) return Damaged(what, absl::StrCat(bits, " bits"));
  format.bits = static_cast<int>(bits);
  if (format.in_features % format.group_size == 0) return format;
  return Damaged(what, absl::StrCat("groups of ", format.group_size, " do not divide ", format.in_features));
}

Status NormsFromJson(const Json& norms, bool has_extras, std::string_view what, BlockFormat& format) {
  const std::string input(kInputNorm), post_attention(kPostAttentionNorm), query(kQueryNorm), key(kKeyNorm);
  if (!norms.is_object() || !norms.contains(input) || !norms.contains(post_attention)) {
    return Damaged(what, "expected two norms");
  }
  LWQ_ASSIGN_OR_RETURN(format.input_norm, FloatDType(norms[input], what));
  LWQ_ASSIGN_OR_RETURN(format.post_attention_norm, FloatDType(norms[post_attention], what));
  if (norms.size() == 2) return absl::OkStatus();
  if (!has_extras || norms.size() != 4 || !norms.contains(query) || !norms.contains(key)) {
    return Damaged(what, "expected two norms, or four with those of queries and keys");
  }
  LWQ_ASSIGN_OR_RETURN(format.query_norm, FloatDType(norms[query], what));
  LWQ_ASSIGN_OR_RETURN(format.key_norm, FloatDType(norms[key], what));
  return absl::OkStatus();
}

Status BiasesFromJson(const Json& json, std::string_view what, BlockFormat& format) {
  const auto biases = json.find("biases");
  if (biases == json.end() || !biases->is_object()) return Damaged(what, "expected an object of biases");
  for (const LinearKind kind : kAllLinears) {
    const auto found = biases->find(std::string(LinearName(kind)));
    if (found == biases->end()) continue;
    LWQ_ASSIGN_OR_RETURN(format.biases[kind], FloatDType(*found, what));
  }
  if (format.biases.size() == biases->size()) return absl::OkStatus();
  return Damaged(what, "a bias belongs to no linear");
}

}  // namespace

BlockFormat FormatOf(const BlockState& block) {
  BlockFormat format;
  for (const auto& [kind, weight] : block.linears) format.linears[kind] = FormatOf(weight);
  format.input_norm = block.input_norm.dtype;
  format.post_attention_norm = block.post_attention_norm.dtype;
  for (const auto& [kind, bias] : block.biases) format.biases[kind] = bias.dtype;
  if (block.query_norm) {
    format.query_norm = block.query_norm->dtype;
    format.head_dim = block.query_norm->shape.empty() ? 0 : block.query_norm->shape[0];
  }
  if (block.key_norm) format.key_norm = block.key_norm->dtype;
  return format;
}

Status CheckBlock(const BlockState& block, std::string_view what) {
  for (const LinearKind kind : kAllLinears) {
    const auto found = block.linears.find(kind);
    if (found == block.linears.end()) {
      return absl::InvalidArgumentError(absl::StrCat(what, " has no ", LinearName(kind)));
    }
    LWQ_RETURN_IF_ERROR(CheckLinear(found->second, absl::StrCat(what, " ", LinearName(kind))));
  }
  for (const auto& [kind, bias] : block.biases) {
    const int64_t out_features = FormatOf(block.linears.at(kind)).out_features;
    LWQ_RETURN_IF_ERROR(CheckVector(bias, out_features, absl::StrCat(what, " ", LinearName(kind), ".bias")));
  }
  const int64_t hidden_size = FormatOf(block.linears.at(LinearKind::kQ)).in_features;
  LWQ_RETURN_IF_ERROR(CheckVector(block.input_norm, hidden_size, absl::StrCat(what, " ", kInputNorm)));
  LWQ_RETURN_IF_ERROR(CheckVector(block.post_attention_norm, hidden_size, absl::StrCat(what, " ", kPostAttentionNorm)));
  return CheckHeadNorms(block, what);
}

Status CheckBlockFits(const LlamaConfig& config, const BlockFormat& format, std::string_view what) {
  for (const LinearKind kind : kAllLinears) {
    const LinearShape expected = ShapeOf(config, kind);
    const auto found = format.linears.find(kind);
    if (found == format.linears.end())
      return absl::InvalidArgumentError(absl::StrCat(what, " has no ", LinearName(kind)));
    if (format.biases.contains(kind) != config.HasBias(kind)) {
      return Differs(what, absl::StrCat(LinearName(kind), ".bias"), format.biases.contains(kind));
    }
    const LinearFormat& linear = found->second;
    if (linear.out_features == expected.out_features && linear.in_features == expected.in_features) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        what, " ", LinearName(kind), " is ", ShapeText({linear.out_features, linear.in_features}), ", the model's is ",
        ShapeText({expected.out_features, expected.in_features}), "; was it made from another model?"));
  }
  if (format.query_norm.has_value() != config.query_key_norms) {
    return Differs(what, kQueryNorm, format.query_norm.has_value());
  }
  if (!config.query_key_norms || format.head_dim == config.head_dim) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " ", kQueryNorm, " is of size ", format.head_dim,
                                                 ", the model's of ", config.head_dim,
                                                 "; was it made from another model?"));
}

Json BlockFormatToJson(const BlockFormat& format) {
  Json json = {{"version", kVersion}, {"linears", Json::object()}, {"norms", Json::object()}};
  for (const auto& [kind, linear] : format.linears) {
    Json entry = {{"out_features", linear.out_features}, {"in_features", linear.in_features}};
    if (linear.quantized()) {
      entry["bits"] = linear.bits;
      entry["group_size"] = linear.group_size;
    } else {
      entry["dtype"] = std::string(DTypeName(linear.dtype));
    }
    json["linears"][std::string(LinearName(kind))] = std::move(entry);
  }
  json["norms"][std::string(kInputNorm)] = std::string(DTypeName(format.input_norm));
  json["norms"][std::string(kPostAttentionNorm)] = std::string(DTypeName(format.post_attention_norm));
  if (format.biases.empty() && !format.query_norm) return json;
  json["version"] = kVersionWithExtras;
  json["biases"] = Json::object();
  for (const auto& [kind, dtype] : format.biases) {
    json["biases"][std::string(LinearName(kind))] = std::string(DTypeName(dtype));
  }
  if (format.query_norm) {
    json["norms"][std::string(kQueryNorm)] = std::string(DTypeName(*format.query_norm));
    json["norms"][std::string(kKeyNorm)] = std::string(DTypeName(*format.key_norm));
    json["head_dim"] = format.head_dim;
  }
  return json;
}

StatusOr<BlockFormat> BlockFormatFromJson(const Json& json, std::string_view what) {
  if (!json.is_object() || !json.contains("linears") || !json.contains("norms")) {
    return Damaged(what, "expected the fields version, linears, norms");
  }
  const auto version = JsonInt(json, "version", what);
  if (!version.ok()) return Damaged(what, std::string(version.status().message()));
  if (*version != kVersion && *version != kVersionWithExtras) {
    return Damaged(what, absl::StrCat("its version is ", *version, ", this program reads ", kVersion, " and ",
                                      kVersionWithExtras));
  }
  const bool has_extras = *version == kVersionWithExtras;
  const Json& linears = json["linears"];
  if (!linears.is_object() || linears.size() != std::size(kAllLinears)) return Damaged(what, "expected seven linears");
  BlockFormat format;
  for (const LinearKind kind : kAllLinears) {
    const auto found = linears.find(std::string(LinearName(kind)));
    if (found == linears.end()) return Damaged(what, absl::StrCat(LinearName(kind), " is missing"));
    LWQ_ASSIGN_OR_RETURN(format.linears[kind], LinearFromJson(*found, absl::StrCat(what, " ", LinearName(kind))));
  }
  LWQ_RETURN_IF_ERROR(NormsFromJson(json["norms"], has_extras, what, format));
  const size_t fields = 3 + (has_extras ? 1 : 0) + (format.query_norm ? 1 : 0);
  if (json.size() != fields) return Damaged(what, "there are more than the expected fields version, linears, norms");
  if (!has_extras) return format;
  if (format.query_norm) {
    LWQ_ASSIGN_OR_RETURN(format.head_dim, Positive(json, "head_dim", what));
  }
  LWQ_RETURN_IF_ERROR(BiasesFromJson(json, what, format));
  return format;
}

}  // namespace lwq::qat
