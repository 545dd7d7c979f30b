// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/gguf_tensor_files.h"

#include <utility>

#include "common/export/gguf/gguf_metadata.h"
#include "common/export/gguf/gguf_names.h"
#include "common/export/half.h"

namespace lwq::qat {
namespace {

GgmlType PlainTypeOf(DType dtype) {
  const auto traits = GgmlTypeNamed(DTypeName(dtype));
  LWQ_CHECK(traits.has_value(), "no type of ggml for ", DTypeName(dtype));
  return traits->type;
}

// The shape in weights: a plan says bytes of blocks.
GgufTensor Described(const PlannedTensor& tensor) {
  GgufTensor described{.name = LlamaCppName(tensor.name), .type = GgmlType::kF32, .shape = tensor.shape};
  if (tensor.encoding.empty()) {
    described.type = PlainTypeOf(tensor.dtype);
    return described;
  }
  const GgmlTypeTraits traits = GgmlTypeNamed(tensor.encoding).value();
  described.type = traits.type;
  described.shape.back() = tensor.shape.back() / traits.block_bytes * traits.block_weights;
  return described;
}

Status WritePadded(const HostTensor& tensor, FileSink& sink) {
  LWQ_RETURN_IF_ERROR(sink.Write(tensor.bytes.span()));
  const int64_t padding = GgufPadding(static_cast<int64_t>(tensor.bytes.size()));
  return sink.Write(std::string(static_cast<size_t>(padding), '\0'));
}

}  // namespace

GgufTensorFiles::GgufTensorFiles(std::vector<PlannedTensor> planned, const LlamaConfig& config, bool interleaved_heads,
                                 GgufMetadata metadata)
    : config_(config),
      interleaved_heads_(interleaved_heads),
      metadata_(std::move(metadata)),
      rope_factors_(RopeFactors(config)),
      planned_(std::move(planned)) {
  if (rope_factors_.has_value()) {
    stored_.push_back({kRopeFactorsTensor, rope_factors_->dtype, rope_factors_->shape, -1, false});
    described_.push_back({.name = kRopeFactorsTensor, .type = GgmlType::kF32, .shape = rope_factors_->shape});
  }
  for (const PlannedTensor& tensor : planned_) {
    PlannedTensor stored = tensor;
    if (stored.shape.size() == 1) stored.dtype = DType::kF32;
    described_.push_back(Described(stored));
    stored_.push_back(std::move(stored));
  }
}

Status GgufTensorFiles::Write(const Read& read, FileSink& sink) const {
  LWQ_RETURN_IF_ERROR(sink.Begin(kGgufFileName));
  LWQ_RETURN_IF_ERROR(sink.Write(GgufHeader(metadata_, described_)));
  if (rope_factors_.has_value()) LWQ_RETURN_IF_ERROR(WritePadded(*rope_factors_, sink));
  for (const PlannedTensor& planned : planned_) {
    LWQ_ASSIGN_OR_RETURN(const HostTensor tensor, read(planned));
    LWQ_CHECK(tensor.dtype == planned.dtype && tensor.shape == planned.shape, planned.name, " is not as planned");
    LWQ_ASSIGN_OR_RETURN(const HostTensor stored, Stored(tensor, planned));
    LWQ_RETURN_IF_ERROR(WritePadded(stored, sink));
  }
  return absl::OkStatus();
}

StatusOr<HostTensor> GgufTensorFiles::Stored(const HostTensor& read, const PlannedTensor& planned) const {
  HostTensor stored = read;
  if (planned.shape.size() == 1) {
    LWQ_ASSIGN_OR_RETURN(stored, ToF32(read, planned.name));
  }
  const int64_t heads = interleaved_heads_ ? HeadsOf(planned.name, config_) : 0;
  return heads == 0 ? stored : InterleaveHeads(stored, heads);
}

}  // namespace lwq::qat
