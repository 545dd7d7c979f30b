// SPDX-License-Identifier: Apache-2.0
// One linear through every format and back: any width, odd shapes, any group, zero points at both ends, the smallest
// and largest scales of fp16. What comes back are the same codes, zero points and scales, or, of formats that keep
// none, the same weights.
#include <algorithm>

#include "common/export/compressed_tensors/packed_linear.h"
#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gguf/ggml_blocks.h"
#include "common/export/gptq/gptq_linear.h"
#include "common/export_format/gguf.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {
namespace {

// Scales from fp16's smallest subnormal number to its largest, and ordinary ones.
HostTensor ExtremeScales(const std::vector<int64_t>& shape, WorldRandom& random) {
  std::vector<float> scales(static_cast<size_t>(shape[0] * shape[1]));
  for (float& scale : scales) scale = random.Pick<float>({0x1p-24f, 0x1.ff8p-15f, 0x1p-14f, 0x1p-7f, 1.0f, 65504.0f});
  return MakeTensor(DType::kF32, shape, scales);
}

QuantizedLinear AnyLinearOf(const LinearShape& shape, int bits, int64_t group_size, ZeroPoints zero_points,
                            WorldRandom& random) {
  QuantizedLinear linear = RandomLinear(shape, bits, group_size, random);
  linear.scales = ExtremeScales(linear.scales.shape, random);
  const auto largest = static_cast<uint8_t>((1 << bits) - 1);
  auto zeros = ValuesOf<uint8_t>(linear.zeros);
  for (uint8_t& zero : zeros) {
    if (random.Chance(40)) zero = random.Chance(50) ? 0 : largest;
    if (zero_points == ZeroPoints::kMiddle && bits == 2) zero = zero < 2 ? 1 : 2;
    if (zero_points == ZeroPoints::kSymmetric) zero = static_cast<uint8_t>(SymmetricZeroPoint(bits));
  }
  linear.zeros = MakeTensor(DType::kU8, linear.zeros.shape, zeros);
  return linear;
}

// Odd sizes; groups that divide the input, a whole row among them.
QuantizedLinear AnyLinear(const std::vector<int>& widths, ZeroPoints zero_points, WorldRandom& random) {
  const auto group_size = random.Pick<int64_t>({1, 2, 3, 7, 11, 32, 33, 64});
  const auto groups = random.Pick<int64_t>({1, 2, 3, 5});
  const auto rows = random.Pick<int64_t>({1, 3, 5, 11, 31, 32, 33, 40});
  return AnyLinearOf({.out_features = rows, .in_features = groups * group_size}, random.Pick<int>(widths), group_size,
                     zero_points, random);
}

void CheckSameLinear(const StatusOr<QuantizedLinear>& read, const QuantizedLinear& linear) {
  RC_ASSERT(read.ok());
  RC_ASSERT(SameWeight(LinearWeight(*read), LinearWeight(linear)));
}

RC_GTEST_PROP(PackFormatsProperty, GptqOfBothVersionsGivesBackEveryLinearItHolds, (uint64_t seed)) {
  WorldRandom random(seed);
  const QuantizedLinear linear = AnyLinear({2, 3, 4, 8}, ZeroPoints::kAny, random);
  HalfRounding rounding;
  const auto read = [&](const StatusOr<GptqTensors>& packed, StoredZeros zeros) {
    return UnpackGptq(*packed, linear.out_features, linear.in_features, linear.bits, linear.group_size, "l", zeros);
  };
  const auto two = PackGptq(linear, "l", &rounding);
  RC_ASSERT(two.ok());
  CheckSameLinear(read(two, StoredZeros::kAsTheyAre), linear);
  const auto zeros = ValuesOf<uint8_t>(linear.zeros);
  const bool has_zero = std::find(zeros.begin(), zeros.end(), 0) != zeros.end();
  const auto one = PackGptq(linear, "l", &rounding, StoredZeros::kLessOne);
  RC_ASSERT(one.ok() == !has_zero);
  if (one.ok()) CheckSameLinear(read(one, StoredZeros::kLessOne), linear);
  // Version 2 read as 1 is one more everywhere, or refused: never the same.
  const auto mistaken = read(two, StoredZeros::kLessOne);
  RC_ASSERT((!mistaken.ok() || !SameTensor(mistaken->zeros, linear.zeros)));
  RC_ASSERT(rounding.changed == 0);
}

RC_GTEST_PROP(PackFormatsProperty, CompressedTensorsGivesBackEveryLinear, (uint64_t seed)) {
  WorldRandom random(seed);
  const bool symmetric = random.Chance(50);
  const ZeroPoints zero_points = symmetric ? ZeroPoints::kSymmetric : ZeroPoints::kAny;
  const QuantizedLinear linear = AnyLinear({2, 3, 4, 5, 6, 8}, zero_points, random);
  HalfRounding rounding;
  const auto packed = PackLinear(linear, "l", &rounding, zero_points);
  RC_ASSERT(packed.ok());
  RC_ASSERT(packed->zero_point.has_value() == !symmetric);
  const LinearStorage storage = {.bits = linear.bits,
                                 .group_size = linear.group_size,
                                 .format = ExportFormat::kCompressedTensors,
                                 .symmetric = symmetric};
  CheckSameLinear(UnpackLinear(*packed, storage, linear.out_features, linear.in_features, "l"), linear);
  RC_ASSERT(rounding.changed == 0);
}

RC_GTEST_PROP(PackFormatsProperty, BlocksOfGgufGiveBackEveryWeightWhereTheirTypeIsExact, (uint64_t seed)) {
  WorldRandom random(seed);
  const auto zero_points = random.Pick<ZeroPoints>({ZeroPoints::kAny, ZeroPoints::kMiddle, ZeroPoints::kSymmetric});
  const std::vector<int> widths =
      zero_points == ZeroPoints::kSymmetric ? std::vector<int>{2, 3, 4, 5, 6, 8} : std::vector<int>{2, 3, 4, 5, 6};
  const auto group_size = random.Pick<int64_t>({32, 64, 96, 128});
  const LinearShape shape = {.out_features = random.Pick<int64_t>({1, 3, 5, 33}),
                             .in_features = group_size * random.Pick<int64_t>({1, 2, 3})};
  const QuantizedLinear linear = AnyLinearOf(shape, random.Pick<int>(widths), group_size, zero_points, random);
  const GgmlType type =
      GgufTypeOf({shape.out_features, shape.in_features, linear.bits, group_size, zero_points}, GgufFourBits::kExact);
  HalfRounding rounding;
  const auto blocks = PackBlocks(linear, type, "l", &rounding);
  RC_ASSERT(blocks.ok());
  const auto weights = UnpackBlocks(*blocks, type, shape.in_features, "l");
  RC_ASSERT(weights.ok());
  RC_ASSERT(ValuesOf<float>(*weights) == ValuesOf<float>(DecodeToF32(linear)));  // 0 and −0 are equal
}

RC_GTEST_PROP(PackFormatsProperty, PlainWeightsAreTheDecodedOnesRoundedOnceOrRefused, (uint64_t seed)) {
  WorldRandom random(seed);
  const QuantizedLinear linear = AnyLinear({2, 3, 4, 5, 6, 8}, ZeroPoints::kAny, random);
  const auto exact = ValuesOf<float>(DecodeToF32(linear));
  std::vector<uint16_t> rounded;
  for (const float weight : exact) rounded.push_back(HalfFromFloat(weight));
  const bool fits = std::all_of(rounded.begin(), rounded.end(), [](uint16_t half) { return (half & 0x7fff) < 0x7c00; });
  DecodeRounding rounding;
  const auto plain = DecodeToF16(linear, "l", &rounding);
  RC_ASSERT(plain.ok() == fits);
  if (plain.ok()) RC_ASSERT(ValuesOf<uint16_t>(*plain) == rounded);
}

}  // namespace
}  // namespace lwq::qat
