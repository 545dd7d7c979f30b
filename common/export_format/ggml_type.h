// SPDX-License-Identifier: Apache-2.0
// The tensor types of GGUF files that we write and read, as llama.cpp's ggml numbers them: how many weights a block
// spans along a row, and in how many bytes.
//
// Source: ggml's block layouts (common/export/gguf/ggml_blocks.h has them), checked against llama.cpp b11549. Values;
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lwq {

// The numbers of the file.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ8_0 = 8,
  kBF16 = 30,
  kQ2_0 = 42,
};

struct GgmlTypeTraits {
  GgmlType type = GgmlType::kF32;
  std::string_view name;
  int64_t block_weights = 1;  // 1: a plain number
  int64_t block_bytes = 0;
  bool is_plain() const { return block_weights == 1; }
};

inline constexpr GgmlTypeTraits kGgmlTypes[] = {
    {GgmlType::kF32, "F32", 1, 4},     {GgmlType::kF16, "F16", 1, 2},     {GgmlType::kQ4_0, "Q4_0", 32, 18},
    {GgmlType::kQ4_1, "Q4_1", 32, 20}, {GgmlType::kQ5_0, "Q5_0", 32, 22}, {GgmlType::kQ8_0, "Q8_0", 32, 34},
    {GgmlType::kBF16, "BF16", 1, 2},   {GgmlType::kQ2_0, "Q2_0", 64, 18},
};

// Nothing for a number that is none of these types.
constexpr std::optional<GgmlTypeTraits> GgmlTypeNumbered(uint32_t number) {
  for (const GgmlTypeTraits& traits : kGgmlTypes) {
    if (static_cast<uint32_t>(traits.type) == number) return traits;
  }
  return std::nullopt;
}

constexpr std::optional<GgmlTypeTraits> GgmlTypeNamed(std::string_view name) {
  for (const GgmlTypeTraits& traits : kGgmlTypes) {
    if (traits.name == name) return traits;
  }
  return std::nullopt;
}

constexpr const GgmlTypeTraits& TraitsOf(GgmlType type) {
  const GgmlTypeTraits* found = kGgmlTypes;
  while (found->type != type) ++found;
  return *found;
}

}  // namespace lwq
