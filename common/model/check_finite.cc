// SPDX-License-Identifier: Apache-2.0
#include "common/model/check_finite.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/model/quantization.h"

namespace lwq {
namespace {

constexpr size_t kRunBytes = 32 << 10;  // what is looked at between two decisions to stop

// An element is a number unless all bits of its exponent are set.
template <typename Bits>
struct FloatFormat {
  Bits exponent;
  Bits mantissa;
};

// The first element that is no number. Elements need not be aligned.
template <typename Bits>
std::optional<int64_t> FirstNotFinite(std::string_view bytes, FloatFormat<Bits> format, Bits* value) {
  constexpr size_t kRun = kRunBytes / sizeof(Bits);
  const size_t elements = bytes.size() / sizeof(Bits);
  std::vector<Bits> run(std::min(kRun, elements));
  for (size_t first = 0; first < elements; first += kRun) {
    const size_t count = std::min(kRun, elements - first);
    std::memcpy(run.data(), bytes.data() + first * sizeof(Bits), count * sizeof(Bits));
    Bits found = 0;
    for (size_t i = 0; i < count; ++i) {
      found |= static_cast<Bits>((run[i] & format.exponent) == format.exponent ? 1 : 0);
    }
    if (found == 0) continue;
    for (size_t i = 0; i < count; ++i) {
      if ((run[i] & format.exponent) != format.exponent) continue;
      *value = run[i];
      return static_cast<int64_t>(first + i);
    }
  }
  return std::nullopt;
}

// "[3, 40]" of the element at `offset`.
std::string PlaceOf(int64_t offset, const std::vector<int64_t>& shape) {
  std::vector<int64_t> place(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    place[i] = offset % shape[i];
    offset /= shape[i];
  }
  return ShapeText(place);
}

template <typename Bits>
Status CheckBits(const HostTensor& tensor, std::string_view name, FloatFormat<Bits> format) {
  Bits value = 0;
  const std::optional<int64_t> found = FirstNotFinite(tensor.bytes.view(), format, &value);
  if (!found) return absl::OkStatus();
  const bool is_infinite = (value & format.mantissa) == 0;
  return absl::FailedPreconditionError(
      absl::StrCat("tensor '", name, "' is ", is_infinite ? "infinite" : "NaN", " at ", PlaceOf(*found, tensor.shape),
                   ": the weights are damaged or were saved from a diverged training"));
}

}  // namespace

Status CheckFiniteTensor(const HostTensor& tensor, std::string_view name) {
  switch (tensor.dtype) {
    case DType::kF32:
      return CheckBits<uint32_t>(tensor, name, {0x7F800000u, 0x007FFFFFu});
    case DType::kF16:
      return CheckBits<uint16_t>(tensor, name, {0x7C00u, 0x03FFu});
    case DType::kBF16:
      return CheckBits<uint16_t>(tensor, name, {0x7F80u, 0x007Fu});
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", name, "' is ", DTypeName(tensor.dtype), ", not a float"));
  }
}

Status CheckFiniteModel(const LlamaConfig& config, TensorSource& source, const std::function<Status()>& go_on) {
  LWQ_ASSIGN_OR_RETURN(const std::optional<ModuleRules> quantization, QuantizationOf(config));
  std::set<std::string> names = {EmbeddingTensorOf(config, source), HeadTensorOf(config, source)};
  for (const auto& [name, shape] : ExpectedTensors(config)) {
    if (source.entries().contains(name)) names.insert(name);  // weights of quantized linears are not
  }
  for (int64_t block = 0; quantization.has_value() && block < config.num_hidden_layers; ++block) {
    for (const LinearKind kind : kAllLinears) {
      const std::string linear = absl::StrCat(BlockPrefix(block), LinearName(kind));
      const LinearShape shape = ShapeOf(config, kind);
      LWQ_ASSIGN_OR_RETURN(const LinearStorage storage, StorageOf(quantization, linear, shape.in_features));
      if (!storage.quantized) continue;
      for (const ExportTensor& tensor : StoredTensors(storage, shape)) {
        if (IsFloat(tensor.dtype)) names.insert(absl::StrCat(linear, tensor.suffix));
      }
    }
  }
  for (const std::string& name : names) {
    if (go_on != nullptr) LWQ_RETURN_IF_ERROR(go_on());
    LWQ_ASSIGN_OR_RETURN(const HostTensor tensor, source.Read(name));
    LWQ_RETURN_IF_ERROR(CheckFiniteTensor(tensor, name));
  }
  return absl::OkStatus();
}

}  // namespace lwq
