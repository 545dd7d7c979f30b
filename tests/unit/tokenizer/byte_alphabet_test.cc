// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/tokenizer/byte_level.h"
#include "common/tokenizer/byte_piece.h"

namespace lwq {
namespace {

TEST(ByteLevel, TheAlphabetIsGpt2s) {
  EXPECT_EQ(ByteLevelOfBytes(" the\n"), "ĠtheĊ");
  EXPECT_EQ(ByteLevelOfBytes("é"), "Ã©");
  EXPECT_EQ(ByteLevelOfBytes(std::string("\0\x7F\xAD\xA0", 4)), "ĀġŃł");
}

TEST(ByteLevel, EveryByteReadsBackAndOtherCharactersDoNot) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(BytesOfByteLevel(ByteLevelOfBytes(all)), all);
  for (const char* token : {" ", "\n", "ń", "你", "\xFF", "a b"})
    EXPECT_EQ(BytesOfByteLevel(token), std::nullopt) << token;
}

TEST(BytePiece, OnlyTheExactFormIsAByte) {
  for (int i = 0; i < 256; ++i) EXPECT_EQ(ParseBytePiece(BytePiece(static_cast<uint8_t>(i))), static_cast<uint8_t>(i));
  for (const char* piece : {"<0x0a>", "<0xG0>", "<0x0A", "0x0A", "<0x0A>>", "<0X0A>", ""}) {
    EXPECT_EQ(ParseBytePiece(piece), std::nullopt) << piece;
  }
}

}  // namespace
}  // namespace lwq
