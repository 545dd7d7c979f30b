// SPDX-License-Identifier: Apache-2.0
// Packed linears against those of compressed-tensors 0.20.0, byte for byte (scripts/make_compressed_tensors_golden).
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/artifact/safetensors.h"
#include "common/export/compressed_tensors/packed_linear.h"
#include "gtest/gtest.h"

namespace lwq::qat {
namespace {

constexpr int64_t kOutputs = 13;
constexpr int64_t kInputs = 96;

HostTensor GoldenTensor(const std::string& name) {
  static const auto* const kFile = new SafetensorsFile(*SafetensorsFile::Open(
      std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/packing/compressed_tensors.safetensors"));
  return *kFile->Get(name);
}

void ExpectSame(const HostTensor& ours, const HostTensor& golden, const std::string& what) {
  EXPECT_EQ(ours.dtype, golden.dtype) << what;
  EXPECT_EQ(ours.shape, golden.shape) << what;
  EXPECT_TRUE(ours.bytes.view() == golden.bytes.view()) << what << " differs";
}

class CompressedTensorsTest : public ::testing::TestWithParam<std::tuple<int, int64_t>> {
 protected:
  int bits() const { return std::get<0>(GetParam()); }
  int64_t group_size() const { return std::get<1>(GetParam()) == -1 ? kInputs : std::get<1>(GetParam()); }
  HostTensor Golden(const std::string& part) const {
    return GoldenTensor(absl::StrCat("b", bits(), ".g", std::get<1>(GetParam()), ".", part));
  }
  QuantizedLinear Linear() const {
    return QuantizedLinear{.bits = bits(),
                           .group_size = group_size(),
                           .out_features = kOutputs,
                           .in_features = kInputs,
                           .codes = Golden("codes"),
                           .scales = Golden("scales"),
                           .zeros = Golden("zeros")};
  }
};

TEST_P(CompressedTensorsTest, PackedTensorsAreTheLibrarysByteForByte) {
  HalfRounding rounding;
  const auto packed = PackLinear(Linear(), "linear", &rounding);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(rounding.changed, 0);
  ExpectSame(packed->weight, Golden("weight_packed"), "weight_packed");
  ExpectSame(*packed->zero_point, Golden("weight_zero_point"), "weight_zero_point");
  ExpectSame(packed->shape, Golden("weight_shape"), "weight_shape");
}

TEST_P(CompressedTensorsTest, TheLibrarysTensorsGiveBackCodesZeroPointsAndScales) {
  const LinearStorage storage{.bits = bits(), .group_size = group_size(), .format = ExportFormat::kCompressedTensors};
  const auto linear = UnpackLinear({.weight = Golden("weight_packed"),
                                    .scale = Golden("scales"),
                                    .zero_point = Golden("weight_zero_point"),
                                    .shape = Golden("weight_shape")},
                                   storage, kOutputs, kInputs, "linear");
  ASSERT_TRUE(linear.ok()) << linear.status();
  ExpectSame(linear->codes, Golden("codes"), "codes");
  ExpectSame(linear->zeros, Golden("zeros"), "zeros");
  ExpectSame(linear->scales, Golden("scales"), "scales");
}

INSTANTIATE_TEST_SUITE_P(EveryWidth, CompressedTensorsTest,
                         ::testing::Combine(::testing::Values(2, 3, 4, 5, 6, 8),
                                            ::testing::Values(int64_t{32}, int64_t{-1})),
                         [](const auto& tested) {
                           const int64_t group = std::get<1>(tested.param);
                           return absl::StrCat("Bits", std::get<0>(tested.param),
                                               group == -1 ? "WholeRows" : absl::StrCat("Groups", group));
                         });

TEST(CompressedTensorsShapeTest, AShapeThatIsNotTheModelsIsRefused) {
  const LinearStorage storage{.bits = 4, .group_size = 32, .format = ExportFormat::kCompressedTensors};
  PackedLinear packed{.weight = GoldenTensor("b4.g32.weight_packed"),
                      .scale = GoldenTensor("b4.g32.scales"),
                      .zero_point = GoldenTensor("b4.g32.weight_zero_point"),
                      .shape = GoldenTensor("b4.g32.weight_shape")};
  const auto status = UnpackLinear(packed, storage, kOutputs, kInputs + 32, "linear").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST(CompressedTensorsShapeTest, SymmetricWeightsHaveTheMiddleAsTheirZeroPoint) {
  const LinearStorage storage{
      .bits = 4, .group_size = 32, .format = ExportFormat::kCompressedTensors, .symmetric = true};
  const auto linear = UnpackLinear({.weight = GoldenTensor("b4.g32.weight_packed"),
                                    .scale = GoldenTensor("b4.g32.scales"),
                                    .zero_point = std::nullopt,
                                    .shape = GoldenTensor("b4.g32.weight_shape")},
                                   storage, kOutputs, kInputs, "linear");
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->zeros.shape, (std::vector<int64_t>{kOutputs, 3}));
  EXPECT_EQ(linear->zeros.bytes.view(), std::string(kOutputs * 3, '\x08'));
}

}  // namespace
}  // namespace lwq::qat
