// SPDX-License-Identifier: Apache-2.0
#include "common/export/inspect/efficientqat_layout.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/export/half.h"
#include "common/export/quantized_linear.h"

namespace lwq::qat {
namespace {

constexpr int64_t kThreeBitCodes = 10;  // of a word

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

const SafetensorsEntry* EntryOf(const TensorSource& source, const std::string& name) {
  const auto found = source.entries().find(name);
  return found == source.entries().end() ? nullptr : &found->second;
}

// Words whose two highest bits are not zero.
int64_t UncleanWords(const HostTensor& words) {
  int64_t unclean = 0;
  for (size_t at = 0; at + 4 <= words.bytes.size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, words.bytes.data() + at, 4);
    if (word >> 30 != 0) ++unclean;
  }
  return unclean;
}

void CheckWords(TensorSource& source, const std::string& name, std::string_view part, const std::vector<int64_t>& shape,
                Inspection& found) {
  const StatusOr<HostTensor> words = source.Read(absl::StrCat(name, ".", part));
  if (!words.ok()) return found.AddFault(std::string(MessageOf(words.status())));
  const Status fits = CheckTensor(*words, {DType::kI32}, shape, name, part);
  if (!fits.ok()) return found.AddFault(std::string(MessageOf(fits)));
  const int64_t unclean = UncleanWords(*words);
  if (unclean == 0) return;
  found.AddFault(absl::StrCat(name, ".", part, ": ", unclean,
                              " words have something in the two bits that no code uses; is it GPTQ's dense packing?"));
}

}  // namespace

std::optional<EfficientQatLinear> EfficientQatLinearOf(const TensorSource& source, const std::string& name,
                                                       const LinearShape& shape) {
  const SafetensorsEntry* qweight = EntryOf(source, name + ".qweight");
  const SafetensorsEntry* scales = EntryOf(source, name + ".scales");
  if (qweight == nullptr || scales == nullptr || qweight->shape.size() != 2 || scales->shape.size() != 2) {
    return std::nullopt;
  }
  const int64_t groups = scales->shape[0];
  if (groups < 1 || shape.in_features % groups != 0) return std::nullopt;
  for (const int bits : {2, 3, 4, 8}) {
    if (qweight->shape[0] == CeilDiv(shape.in_features, 32 / bits))
      return EfficientQatLinear{bits, shape.in_features / groups};
  }
  return std::nullopt;
}

void CheckEfficientQatThreeBits(TensorSource& source, const std::string& name, const LinearShape& shape,
                                int64_t group_size, Inspection& found) {
  const int64_t groups = shape.in_features / group_size;
  CheckWords(source, name, "qweight", {CeilDiv(shape.in_features, kThreeBitCodes), shape.out_features}, found);
  CheckWords(source, name, "qzeros", {groups, CeilDiv(shape.out_features, kThreeBitCodes)}, found);
  const StatusOr<HostTensor> scales = source.Read(name + ".scales");
  const StatusOr<HostTensor> values = scales.ok() ? ToF32(*scales, name + ".scales") : scales;
  if (!values.ok()) return found.AddFault(std::string(MessageOf(values.status())));
  int64_t wrong = 0;
  for (size_t at = 0; at + 4 <= values->bytes.size(); at += 4) {
    float scale;
    std::memcpy(&scale, values->bytes.data() + at, 4);
    if (!(scale > 0) || !std::isfinite(scale)) ++wrong;
  }
  if (wrong > 0) found.AddFault(absl::StrCat(name, ": ", wrong, " scales are not numbers above 0"));
}

}  // namespace lwq::qat
