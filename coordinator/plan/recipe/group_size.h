// SPDX-License-Identifier: Apache-2.0
// Which group sizes a model's linears can be cut into, and the one that a recipe gets that names none.
//
// A group is a run of input columns, so its size has to divide the input width of every quantized linear. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/model/llama_config.h"

namespace lwq::coordinator {

// The default of a model whose input widths it divides.
inline constexpr int64_t kUsualGroupSize = 128;

// The greatest common divisor of the input widths of all seven linears.
int64_t CommonWidth(const LlamaConfig& model);

// The largest of 128, 64, 32 that divides the input width of all seven linears, else the largest number up to 128 that
// does (1 at least).
int64_t DefaultGroupSize(const LlamaConfig& model);

// "" where `group_size` (−1, or at least 1) divides them all, else which linears it does not divide and, after a colon,
// what to choose: "group_size 128 does not divide in_features of self_attn.q_proj (576): choose 192, 96, 64 or -1".
std::string GroupSizeProblem(std::string_view field, int64_t group_size, const LlamaConfig& model);

}  // namespace lwq::coordinator
