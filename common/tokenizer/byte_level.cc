// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/byte_level.h"

#include "common/text/utf8.h"

namespace lwq {
namespace {

constexpr char32_t kLastCharacter = 0x143;

bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// By character, -1 where it stands for no byte.
std::array<int16_t, kLastCharacter + 1> MakeInverse() {
  std::array<int16_t, kLastCharacter + 1> inverse;
  inverse.fill(-1);
  for (size_t byte = 0; byte < 256; ++byte) inverse[ByteLevelAlphabet()[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

}  // namespace

const std::array<char32_t, 256>& ByteLevelAlphabet() {
  static const std::array<char32_t, 256> kAlphabet = [] {
    std::array<char32_t, 256> alphabet{};
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      alphabet[static_cast<size_t>(byte)] = StandsForItself(byte) ? static_cast<char32_t>(byte) : next++;
    }
    return alphabet;
  }();
  return kAlphabet;
}

std::optional<std::string> BytesOfByteLevel(std::string_view token) {
  static const std::array<int16_t, kLastCharacter + 1> kInverse = MakeInverse();
  std::string bytes;
  while (!token.empty()) {
    const Utf8Char c = DecodeUtf8Char(token);
    if (!c.valid || c.code_point > kLastCharacter || kInverse[c.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kInverse[c.code_point]));
    token.remove_prefix(c.size_bytes);
  }
  return bytes;
}

std::string ByteLevelOfBytes(std::string_view bytes) {
  std::string token;
  for (const char byte : bytes) AppendUtf8(ByteLevelAlphabet()[static_cast<uint8_t>(byte)], &token);
  return token;
}

}  // namespace lwq
