// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/worker/quantized_formats.h"

#include "tests/unit/worker/pack_testing.h"

namespace lwq::qat {

BlockFormat UniformFormat(int bits, int64_t group_size) {
  BlockFormat format;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(SmallConfig(), kind);
    format.linears[kind] = LinearFormat{.out_features = shape.out_features,
                                        .in_features = shape.in_features,
                                        .bits = bits,
                                        .group_size = group_size == -1 ? shape.in_features : group_size};
  }
  return format;
}

std::vector<BlockFormat> RandomFormats(const std::vector<int>& widths, WorldRandom& random) {
  const std::vector<int64_t> groups = {-1, 32};
  std::vector<BlockFormat> blocks;
  const size_t count = 1 + random.Below(12);
  for (size_t k = 0; k < count; ++k) {
    BlockFormat block = UniformFormat(random.Pick(widths), random.Pick(groups));
    if (random.Chance(30)) {
      for (auto& [kind, linear] : block.linears) {
        if (random.Chance(30)) linear = UniformFormat(random.Pick(widths), random.Pick(groups)).linears.at(kind);
        if (random.Chance(10)) linear.bits = 0;
      }
    }
    blocks.push_back(block);
  }
  blocks.push_back(UniformFormat(4, 32));  // something is quantized
  return blocks;
}

::testing::AssertionResult RulesDescribe(const ModuleRules& rules, const std::vector<BlockFormat>& blocks,
                                         const Json& json) {
  for (size_t k = 0; k < blocks.size(); ++k) {
    for (const auto& [kind, linear] : blocks[k].linears) {
      const std::string name = absl::StrCat(BlockPrefix(static_cast<int64_t>(k)), LinearName(kind));
      const auto storage = rules.Of(name);
      if (!storage.ok()) return ::testing::AssertionFailure() << storage.status();
      const int64_t group_size = storage->group_size == -1 ? linear.in_features : storage->group_size;
      const bool same = storage->quantized == linear.quantized() &&
                        (!linear.quantized() || (storage->bits == linear.bits && group_size == linear.group_size));
      if (!same) return ::testing::AssertionFailure() << name << " in " << json.dump();
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace lwq::qat
