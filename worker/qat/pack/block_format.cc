#include "worker/qat/pack/block_format.h"

#include <string>
#include <utility>
#include <variant>

#include "worker/qat/pack/bit_pack.h"
#include "worker/qat/pack/gptq_layout.h"
#include "worker/qat/pack/half.h"

namespace lwq::qat {
namespace {

constexpr int kVersion = 1;
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

Status CheckNorm(const HostTensor& norm, int64_t hidden_size, std::string_view what) {
  if (norm.shape != std::vector<int64_t>{hidden_size}) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is ", ShapeText(norm.shape), ", expected [", hidden_size, "]"));
  }
  return CheckWeight(norm, what);
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

}  // namespace

BlockFormat FormatOf(const BlockState& block) {
  BlockFormat format;
  for (const auto& [kind, weight] : block.linears) format.linears[kind] = FormatOf(weight);
  format.input_norm = block.input_norm.dtype;
  format.post_attention_norm = block.post_attention_norm.dtype;
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
  const int64_t hidden_size = FormatOf(block.linears.at(LinearKind::kQ)).in_features;
  LWQ_RETURN_IF_ERROR(CheckNorm(block.input_norm, hidden_size, absl::StrCat(what, " ", kInputNorm)));
  return CheckNorm(block.post_attention_norm, hidden_size, absl::StrCat(what, " ", kPostAttentionNorm));
}

Status CheckBlockFits(const LlamaConfig& config, const BlockFormat& format, std::string_view what) {
  for (const LinearKind kind : kAllLinears) {
    const LinearShape expected = ShapeOf(config, kind);
    const auto found = format.linears.find(kind);
    if (found == format.linears.end())
      return absl::InvalidArgumentError(absl::StrCat(what, " has no ", LinearName(kind)));
    const LinearFormat& linear = found->second;
    if (linear.out_features == expected.out_features && linear.in_features == expected.in_features) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        what, " ", LinearName(kind), " is ", ShapeText({linear.out_features, linear.in_features}), ", the model's is ",
        ShapeText({expected.out_features, expected.in_features}), "; was it made from another model?"));
  }
  return absl::OkStatus();
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
  return json;
}

StatusOr<BlockFormat> BlockFormatFromJson(const Json& json, std::string_view what) {
  if (!json.is_object() || json.size() != 3 || !json.contains("linears") || !json.contains("norms")) {
    return Damaged(what, "expected the fields version, linears, norms");
  }
  const auto version = JsonInt(json, "version", what);
  if (!version.ok()) return Damaged(what, std::string(version.status().message()));
  if (*version != kVersion) {
    return Damaged(what, absl::StrCat("its version is ", *version, ", this program reads ", kVersion));
  }
  const Json& linears = json["linears"];
  if (!linears.is_object() || linears.size() != std::size(kAllLinears)) return Damaged(what, "expected seven linears");
  BlockFormat format;
  for (const LinearKind kind : kAllLinears) {
    const auto found = linears.find(std::string(LinearName(kind)));
    if (found == linears.end()) return Damaged(what, absl::StrCat(LinearName(kind), " is missing"));
    LWQ_ASSIGN_OR_RETURN(format.linears[kind], LinearFromJson(*found, absl::StrCat(what, " ", LinearName(kind))));
  }
  const Json& norms = json["norms"];
  const std::string input(kInputNorm);
  const std::string post_attention(kPostAttentionNorm);
  if (!norms.is_object() || norms.size() != 2 || !norms.contains(input) || !norms.contains(post_attention)) {
    return Damaged(what, "expected two norms");
  }
  LWQ_ASSIGN_OR_RETURN(format.input_norm, FloatDType(norms[input], what));
  LWQ_ASSIGN_OR_RETURN(format.post_attention_norm, FloatDType(norms[post_attention], what));
  return format;
}

}  // namespace lwq::qat
