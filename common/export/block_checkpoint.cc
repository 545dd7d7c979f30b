// SPDX-License-Identifier: Apache-2.0
#include "common/export/block_checkpoint.h"

#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/export/bit_pack.h"
#include "common/export/half.h"

namespace lwq::qat {
namespace {

constexpr char kPartName[] = "block.safetensors";
constexpr char kMetadataKey[] = "lwq_block";

// F16 when that is exact, so that the common case takes half the bytes.
StatusOr<HostTensor> CompactScales(const HostTensor& scales) {
  HalfRounding rounding;
  auto half = RoundToF16(scales, "scales", &rounding);
  if (half.ok() && rounding.changed == 0) return half;
  return scales;
}

Status AddLinear(std::string_view name, const LinearWeight& weight, std::map<std::string, HostTensor>& tensors) {
  if (const auto* full = std::get_if<HostTensor>(&weight)) {
    tensors[absl::StrCat(name, ".weight")] = *full;
    return absl::OkStatus();
  }
  const auto& quantized = std::get<QuantizedLinear>(weight);
  auto codes = PackRows(quantized.codes, quantized.bits);
  if (!codes.ok()) return Annotate(codes.status(), name);
  tensors[absl::StrCat(name, ".codes")] = *std::move(codes);
  LWQ_ASSIGN_OR_RETURN(tensors[absl::StrCat(name, ".scales")], CompactScales(quantized.scales));
  tensors[absl::StrCat(name, ".zeros")] = quantized.zeros;
  return absl::OkStatus();
}

// Hands out tensors of the expected dtype and shape and counts them, so that a file with more than expected is noticed.
class StrictTensors {
 public:
  StrictTensors(const SafetensorsFile& file, std::string_view what) : file_(file), what_(what) {}

  StatusOr<HostTensor> Take(const std::string& name, std::initializer_list<DType> dtypes,
                            const std::vector<int64_t>& shape) {
    if (!file_.Contains(name)) return absl::DataLossError(absl::StrCat(what_, " has no tensor ", name));
    LWQ_ASSIGN_OR_RETURN(HostTensor tensor, file_.Get(name));
    bool dtype_ok = false;
    for (const DType dtype : dtypes) dtype_ok = dtype_ok || tensor.dtype == dtype;
    if (!dtype_ok || tensor.shape != shape) {
      return absl::DataLossError(absl::StrCat(what_, ": tensor ", name, " is ", DTypeName(tensor.dtype), " ",
                                              ShapeText(tensor.shape), ", expected ", DTypeName(*dtypes.begin()), " ",
                                              ShapeText(shape)));
    }
    ++taken_;
    return tensor;
  }

  Status CheckAllTaken() const {
    if (taken_ == file_.header().tensors.size()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(what_, " holds ", file_.header().tensors.size(), " tensors, expected ", taken_));
  }

 private:
  const SafetensorsFile& file_;
  std::string what_;
  size_t taken_ = 0;
};

StatusOr<LinearWeight> TakeLinear(const std::string& name, const LinearFormat& format, StrictTensors& tensors) {
  if (!format.quantized()) {
    LWQ_ASSIGN_OR_RETURN(HostTensor weight,
                         tensors.Take(name + ".weight", {format.dtype}, {format.out_features, format.in_features}));
    return weight;
  }
  const std::vector<int64_t> groups = {format.out_features, format.in_features / format.group_size};
  QuantizedLinear linear{.bits = format.bits,
                         .group_size = format.group_size,
                         .out_features = format.out_features,
                         .in_features = format.in_features,
                         .codes = {},
                         .scales = {},
                         .zeros = {}};
  LWQ_ASSIGN_OR_RETURN(const HostTensor codes,
                       tensors.Take(name + ".codes", {DType::kI32},
                                    {format.out_features, PackedWords(format.in_features, format.bits)}));
  LWQ_ASSIGN_OR_RETURN(linear.codes, UnpackRows(codes, format.bits, format.in_features));
  LWQ_ASSIGN_OR_RETURN(const HostTensor scales, tensors.Take(name + ".scales", {DType::kF16, DType::kF32}, groups));
  LWQ_ASSIGN_OR_RETURN(linear.scales, ToF32(scales, name));
  LWQ_ASSIGN_OR_RETURN(linear.zeros, tensors.Take(name + ".zeros", {DType::kU8}, groups));
  return linear;
}

StatusOr<BlockFormat> FormatFromMetadata(const SafetensorsFile& file, std::string_view what) {
  const auto found = file.header().metadata.find(kMetadataKey);
  if (found == file.header().metadata.end()) {
    return absl::DataLossError(absl::StrCat(what, " is not a block checkpoint: it has no metadata ", kMetadataKey));
  }
  const auto json = ParseJson(found->second, what);
  if (!json.ok()) return absl::DataLossError(json.status().message());
  return BlockFormatFromJson(*json, what);
}

std::string NameOf(const ArtifactRef& artifact) {
  return absl::StrCat("block checkpoint ", artifact.digest.short_hex());
}

StatusOr<Manifest> LoadBlockManifest(BlobSource& blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(Manifest manifest, LoadManifest(blobs, artifact));
  if (manifest.kind != kBlockArtifactKind || manifest.parts.size() != 1 || manifest.parts[0].name != kPartName) {
    return absl::DataLossError(absl::StrCat(NameOf(artifact), " is an artifact of kind \"", manifest.kind, "\" with ",
                                            manifest.parts.size(), " parts, expected kind \"block\" with one part ",
                                            kPartName));
  }
  return manifest;
}

}  // namespace

StatusOr<std::string> SerializeBlock(const BlockState& block) {
  LWQ_RETURN_IF_ERROR(CheckBlock(block, "block"));
  std::map<std::string, HostTensor> tensors;
  for (const auto& [kind, weight] : block.linears) LWQ_RETURN_IF_ERROR(AddLinear(LinearName(kind), weight, tensors));
  for (const auto& [kind, bias] : block.biases) tensors[absl::StrCat(LinearName(kind), ".bias")] = bias;
  for (const auto& [name, norm] : NormsOf(block)) tensors[std::string(name)] = *norm;
  return SerializeSafetensors(tensors, {{kMetadataKey, CanonicalJson(BlockFormatToJson(FormatOf(block)))}});
}

StatusOr<BlockState> ParseBlock(Bytes file_bytes, std::string_view what) {
  LWQ_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Parse(std::move(file_bytes), what));
  LWQ_ASSIGN_OR_RETURN(const BlockFormat format, FormatFromMetadata(file, what));
  StrictTensors tensors(file, what);
  BlockState block;
  for (const auto& [kind, linear] : format.linears) {
    LWQ_ASSIGN_OR_RETURN(LinearWeight weight, TakeLinear(std::string(LinearName(kind)), linear, tensors));
    block.linears.emplace(kind, std::move(weight));
  }
  for (const auto& [kind, dtype] : format.biases) {
    const std::string name = absl::StrCat(LinearName(kind), ".bias");
    LWQ_ASSIGN_OR_RETURN(block.biases[kind], tensors.Take(name, {dtype}, {format.linears.at(kind).out_features}));
  }
  const std::vector<int64_t> hidden = {format.linears.at(LinearKind::kQ).in_features};
  LWQ_ASSIGN_OR_RETURN(block.input_norm, tensors.Take(std::string(kInputNorm), {format.input_norm}, hidden));
  LWQ_ASSIGN_OR_RETURN(block.post_attention_norm,
                       tensors.Take(std::string(kPostAttentionNorm), {format.post_attention_norm}, hidden));
  if (format.query_norm) {
    const std::vector<int64_t> head = {format.head_dim};
    LWQ_ASSIGN_OR_RETURN(block.query_norm, tensors.Take(std::string(kQueryNorm), {*format.query_norm}, head));
    LWQ_ASSIGN_OR_RETURN(block.key_norm, tensors.Take(std::string(kKeyNorm), {*format.key_norm}, head));
  }
  LWQ_RETURN_IF_ERROR(tensors.CheckAllTaken());
  const Status check = CheckBlock(block, what);
  if (!check.ok()) return absl::DataLossError(check.message());
  return block;
}

StatusOr<ArtifactRef> PublishBlock(ArtifactStore& store, const BlockState& block) {
  LWQ_ASSIGN_OR_RETURN(const std::string file, SerializeBlock(block));
  LWQ_ASSIGN_OR_RETURN(const BlobRef blob, store.PutBlob(file));
  Manifest manifest;
  manifest.kind = std::string(kBlockArtifactKind);
  manifest.meta = BlockFormatToJson(FormatOf(block));
  manifest.parts.push_back(Part{kPartName, blob});
  return store.Publish(manifest);
}

StatusOr<BlockState> LoadBlockCheckpoint(BlobSource& blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadBlockManifest(blobs, artifact));
  LWQ_ASSIGN_OR_RETURN(const BlockFormat promised, BlockFormatFromJson(manifest.meta, NameOf(artifact)));
  LWQ_ASSIGN_OR_RETURN(Bytes file, blobs.Fetch(manifest.parts[0].blob));
  LWQ_ASSIGN_OR_RETURN(BlockState block, ParseBlock(std::move(file), NameOf(artifact)));
  if (FormatOf(block) == promised) return block;
  return absl::DataLossError(
      absl::StrCat(NameOf(artifact), ": its manifest promises another format than its tensors have"));
}

StatusOr<BlockFormat> LoadBlockFormat(BlobSource& blobs, const ArtifactRef& artifact) {
  LWQ_ASSIGN_OR_RETURN(const Manifest manifest, LoadBlockManifest(blobs, artifact));
  return BlockFormatFromJson(manifest.meta, NameOf(artifact));
}

}  // namespace lwq::qat
