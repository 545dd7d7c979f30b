// SPDX-License-Identifier: Apache-2.0
// Formats of blocks for the tests of quantization_config, and whether rules describe them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/export/block_format.h"
#include "common/model/module_rules.h"
#include "gtest/gtest.h"
#include "tests/fixtures/random.h"

namespace lwq::qat {

// A block of SmallConfig whose linears are all alike; bits 0 is full precision, group size −1 a whole row.
BlockFormat UniformFormat(int bits, int64_t group_size);

// A model of up to 12 such blocks, in some of which single linears differ or are at full precision; never without a
// quantized linear.
std::vector<BlockFormat> RandomFormats(const std::vector<int>& widths, WorldRandom& random);

// Whether the rules, read from `json`, say of every linear what the blocks are.
::testing::AssertionResult RulesDescribe(const ModuleRules& rules, const std::vector<BlockFormat>& blocks,
                                         const Json& json);

}  // namespace lwq::qat
