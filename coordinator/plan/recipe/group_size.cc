// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/recipe/group_size.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kUsualGroupSizes[] = {128, 64, 32};
constexpr int64_t kLargestProposed = 256;
constexpr size_t kMaxProposed = 8;

int64_t LargestDivisor(int64_t width, int64_t at_most) {
  int64_t divisor = std::min(width, at_most);
  while (width % divisor != 0) --divisor;
  return divisor;
}

// Largest first.
std::vector<int64_t> Proposed(int64_t width) {
  std::vector<int64_t> sizes;
  for (int64_t at_most = kLargestProposed; at_most >= 1 && sizes.size() < kMaxProposed; at_most = sizes.back() - 1) {
    sizes.push_back(LargestDivisor(width, at_most));
  }
  return sizes;
}

}  // namespace

int64_t CommonWidth(const LlamaConfig& model) {
  int64_t common = 0;
  for (const LinearKind kind : kAllLinears) common = std::gcd(common, ShapeOf(model, kind).in_features);
  return common;
}

int64_t DefaultGroupSize(const LlamaConfig& model) {
  const int64_t width = CommonWidth(model);
  for (const int64_t size : kUsualGroupSizes) {
    if (width % size == 0) return size;
  }
  return LargestDivisor(width, kUsualGroupSize);
}

std::string GroupSizeProblem(std::string_view field, int64_t group_size, const LlamaConfig& model) {
  if (group_size == -1) return "";
  std::vector<std::string> misfits;
  for (const LinearKind kind : kAllLinears) {
    const int64_t in_features = ShapeOf(model, kind).in_features;
    if (in_features % group_size != 0) misfits.push_back(absl::StrCat(LinearName(kind), " (", in_features, ")"));
  }
  if (misfits.empty()) return "";
  return absl::StrCat(field, " ", group_size, " does not divide in_features of ", absl::StrJoin(misfits, ", "),
                      ": choose ", absl::StrJoin(Proposed(CommonWidth(model)), ", "), " or -1 (a whole row)");
}

}  // namespace lwq::coordinator
