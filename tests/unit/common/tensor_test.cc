// SPDX-License-Identifier: Apache-2.0
#include "common/artifact/tensor.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq {
namespace {

TEST(TensorTest, EveryDTypeHasAUniqueNameThatReadsBack) {
  const std::vector<std::pair<DType, int>> sizes = {{DType::kF32, 4}, {DType::kF16, 2}, {DType::kBF16, 2},
                                                    {DType::kU8, 1},  {DType::kI8, 1},  {DType::kI32, 4},
                                                    {DType::kI64, 8}, {DType::kF64, 8}};
  for (const auto& [dtype, bytes] : sizes) {
    EXPECT_EQ(ParseDType(DTypeName(dtype)).value(), dtype);
    EXPECT_EQ(DTypeBytes(dtype), bytes) << DTypeName(dtype);
  }
}

TEST(TensorTest, OtherDTypesAreRefusedByName) {
  for (const std::string_view name : {"", "f32", "F8_E4M3", "BOOL", "U16", "F128"}) {
    const Status status = ParseDType(name).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << name;
    EXPECT_THAT(std::string(MessageOf(status)), ::testing::HasSubstr(std::string(name)));
  }
}

TEST(TensorTest, TheElementCountIsTheProductOfTheDimensions) {
  EXPECT_EQ(ElementCount({}).value(), 1);
  EXPECT_EQ(ElementCount({7}).value(), 7);
  EXPECT_EQ(ElementCount({2, 3, 4}).value(), 24);
  EXPECT_EQ(ElementCount({5, 0, 4}).value(), 0);
}

TEST(TensorTest, AnElementCountThatOverflowsIsRefusedEvenWithAZero) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(ElementCount({kMax / 8}).value(), kMax / 8);
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{kMax},
                                                                             {kMax / 8 + 1},
                                                                             {int64_t{1} << 32, int64_t{1} << 32},
                                                                             {3, kMax / 8},
                                                                             {kMax, kMax, 0},
                                                                             {0, kMax, kMax}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ElementCount(shape).status()));
  }
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{-1}, {2, -3}, {-2, -3}, {0, -1}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ElementCount(shape).status()));
  }
}

TEST(TensorTest, AHostTensorCountsItsElements) {
  const HostTensor tensor{DType::kF16, {2, 3}, Bytes::FromString(std::string(12, '\0'))};
  EXPECT_EQ(tensor.elements(), 6);
}

}  // namespace
}  // namespace lwq
