// SPDX-License-Identifier: Apache-2.0
// The alphabet of byte-level BPE (GPT-2): each byte is written as one printable character, so that a vocabulary is
// text. Printable Latin-1 bytes stand for themselves, the other 68 are U+0100 … U+0143 in order of the byte. Pure
// functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lwq {

// By byte.
const std::array<char32_t, 256>& ByteLevelAlphabet();
// A vocabulary entry as the bytes it stands for; nullopt when a character is not of the alphabet.
std::optional<std::string> BytesOfByteLevel(std::string_view token);
// Bytes as the vocabulary writes them.
std::string ByteLevelOfBytes(std::string_view bytes);

}  // namespace lwq
