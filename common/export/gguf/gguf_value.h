// SPDX-License-Identifier: Apache-2.0
// The metadata of a GGUF file (version 3): keys and typed values.
//
// The alternatives of both variants stand in the order of the file's type numbers, so that index() is that number.
// Arrays of arrays are in no file that we write, and are refused when read. Values; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace lwq::qat {

struct GgufNestedArray {
  friend bool operator==(const GgufNestedArray&, const GgufNestedArray&) = default;
};

using GgufArray = std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
                               std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, GgufNestedArray, std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>>;

using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
                               GgufArray, uint64_t, int64_t, double>;

using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

}  // namespace lwq::qat
