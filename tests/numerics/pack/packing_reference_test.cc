// SPDX-License-Identifier: Apache-2.0
// Packed words against those of the reference program, byte for byte where the layouts are the same.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "common/artifact/safetensors.h"
#include "common/export/bit_pack.h"
#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gptq/gptq_linear.h"
#include "common/export/quantized_linear.h"
#include "gtest/gtest.h"

namespace lwq::qat {
namespace {

constexpr int64_t kOut = 40;
constexpr int64_t kIn = 96;

const SafetensorsFile& Golden() {
  static const auto* const kFile = new SafetensorsFile(
      *SafetensorsFile::Open(std::string(LWQ_SOURCE_DIR) + "/tests/numerics/golden/packing/packing.safetensors"));
  return *kFile;
}

template <typename T>
std::vector<T> Values(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

HostTensor CodesOf(const std::string& name) {
  std::string codes;
  for (const int32_t code : Values<int32_t>(*Golden().Get(name + ".int_codes")))
    codes.push_back(static_cast<char>(code));
  return HostTensor{DType::kU8, {kOut, kIn}, Bytes::FromString(std::move(codes))};
}

// Zero points as they must be packed: clamped to the width.
HostTensor ZerosOf(const std::string& name, int bits, int64_t groups) {
  std::string zeros;
  for (const float zero : Values<float>(*Golden().Get(name + ".zero_point"))) {
    zeros.push_back(static_cast<char>(std::clamp(static_cast<int>(std::nearbyint(zero)), 0, (1 << bits) - 1)));
  }
  return HostTensor{DType::kU8, {kOut, groups}, Bytes::FromString(std::move(zeros))};
}

struct Case {
  int bits;
  int64_t group_size;
};

class PackingReferenceTest : public ::testing::TestWithParam<Case> {
 protected:
  std::string name() const { return absl::StrCat("b", GetParam().bits, ".g", GetParam().group_size); }
  int64_t group_size() const { return GetParam().group_size == -1 ? kIn : GetParam().group_size; }

  QuantizedLinear Linear() const {
    const int64_t groups = kIn / group_size();
    return QuantizedLinear{
        .bits = GetParam().bits,
        .group_size = group_size(),
        .out_features = kOut,
        .in_features = kIn,
        .codes = CodesOf(name()),
        .scales = *ToF32(Transpose(*Golden().Get(name() + ".scales")), "scales"),
        .zeros = ZerosOf(name(), GetParam().bits, groups),
    };
  }
};

void ExpectSameBytes(const HostTensor& packed, const std::string& golden_name) {
  const auto golden = Golden().Get(golden_name);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(packed.dtype, golden->dtype) << golden_name;
  EXPECT_EQ(packed.shape, golden->shape) << golden_name;
  EXPECT_TRUE(packed.bytes.view() == golden->bytes.view()) << golden_name << " differs";
}

TEST_P(PackingReferenceTest, PackedTensorsAreTheReferencesByteForByte) {
  HalfRounding rounding;
  const auto packed = PackGptq(Linear(), name(), &rounding);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(rounding.changed, 0);
  ExpectSameBytes(packed->scales, name() + ".scales");
  ExpectSameBytes(packed->g_idx, name() + ".g_idx");
  if (GetParam().bits == 3) {  // the reference wastes two bits a word
    EXPECT_EQ(packed->qweight.shape, (std::vector<int64_t>{9, kOut}));
    EXPECT_EQ(Golden().Get(name() + ".qweight")->shape, (std::vector<int64_t>{10, kOut}));
  } else {
    ExpectSameBytes(packed->qweight, name() + ".qweight");
    ExpectSameBytes(packed->qzeros, name() + ".qzeros");
  }
}

TEST_P(PackingReferenceTest, UnpackingGivesTheReferencesCodesAndDecodedWeightsExactly) {
  HalfRounding rounding;
  const QuantizedLinear linear = Linear();
  const auto unpacked =
      UnpackGptq(*PackGptq(linear, name(), &rounding), kOut, kIn, GetParam().bits, group_size(), name());
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_TRUE(unpacked->codes.bytes.view() == linear.codes.bytes.view());
  EXPECT_TRUE(unpacked->zeros.bytes.view() == linear.zeros.bytes.view());
  EXPECT_TRUE(unpacked->scales.bytes.view() == linear.scales.bytes.view());
  const auto decoded = Values<float>(Transpose(DecodeToF32(*unpacked)));
  const auto expected = Values<float>(*Golden().Get(name() + ".weight_from_packed"));
  ASSERT_EQ(decoded.size(), expected.size());
  for (size_t i = 0; i < decoded.size(); ++i) ASSERT_EQ(decoded[i], expected[i]) << "element " << i;
}

TEST_P(PackingReferenceTest, TheGoldenSubsetIsStillTheReference) {
  const char* directory = std::getenv("LWQ_REFERENCE");
  const std::string root = directory != nullptr ? directory : std::string(LWQ_SOURCE_DIR) + "/../shared/reference";
  const std::string path = root + "/packing.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no reference data at " << path << "; set LWQ_REFERENCE";
  const auto reference = SafetensorsFile::Open(path);
  ASSERT_TRUE(reference.ok()) << reference.status();
  int compared = 0;
  for (const auto& [golden_name, entry] : Golden().header().tensors) {
    if (golden_name.rfind(name() + ".", 0) != 0) continue;
    const auto tensor = reference->Get(golden_name);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_TRUE(tensor->bytes.view() == Golden().Get(golden_name)->bytes.view()) << golden_name;
    ++compared;
  }
  EXPECT_EQ(compared, 7);
}

INSTANTIATE_TEST_SUITE_P(Widths, PackingReferenceTest,
                         ::testing::Values(Case{2, -1}, Case{2, 32}, Case{3, -1}, Case{3, 32}, Case{4, -1}, Case{4, 32},
                                           Case{8, -1}, Case{8, 32}),
                         [](const auto& test_case) {
                           const std::string group =
                               test_case.param.group_size == -1 ? "Row" : std::to_string(test_case.param.group_size);
                           return "Bits" + std::to_string(test_case.param.bits) + "Group" + group;
                         });

}  // namespace
}  // namespace lwq::qat
