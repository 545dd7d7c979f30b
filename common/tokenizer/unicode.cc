// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <array>
#include <limits>
#include <memory>

#include "common/text/utf8.h"

namespace lwq {
namespace {

const icu::Normalizer2* FullNormalizer(NormalizationForm form, UErrorCode& error) {
  switch (form) {
    case NormalizationForm::kNfc:
      return icu::Normalizer2::getNFCInstance(error);
    case NormalizationForm::kNfd:
      return icu::Normalizer2::getNFDInstance(error);
    case NormalizationForm::kNfkc:
      return icu::Normalizer2::getNFKCInstance(error);
    case NormalizationForm::kNfkd:
      return icu::Normalizer2::getNFKDInstance(error);
  }
  return nullptr;
}

// Characters that are younger than Unicode 9.0 stay as they are.
const icu::UnicodeSet* OldCharacters() {
  static const icu::UnicodeSet* const kSet = [] {
    UErrorCode error = U_ZERO_ERROR;
    auto set = std::make_unique<icu::UnicodeSet>(UNICODE_STRING_SIMPLE("[:age=9.0:]"), error);
    LWQ_CHECK(U_SUCCESS(error), "ICU: ", u_errorName(error));
    set->freeze();
    return set.release();
  }();
  return kSet;
}

bool IsOlderThan(char32_t c, int major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= major;
}

}  // namespace

StatusOr<std::string> NormalizeUnicode(std::string_view text, NormalizationForm form) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max() / 4)) {
    return absl::InvalidArgumentError("the text is too large to be normalized; split it");
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* full = FullNormalizer(form, error);
  if (U_FAILURE(error)) return absl::InternalError(absl::StrCat("ICU: ", u_errorName(error)));
  const icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  // What is normalized for a younger Unicode is so for an older one; most texts are.
  if (full->isNormalizedUTF8(piece, error) && U_SUCCESS(error)) return std::string(text);
  const icu::FilteredNormalizer2 filtered(*full, *OldCharacters());
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  error = U_ZERO_ERROR;
  filtered.normalizeUTF8(0, piece, sink, nullptr, error);
  if (U_FAILURE(error)) return absl::InternalError(absl::StrCat("ICU: ", u_errorName(error)));
  return out;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_N_MASK) != 0;
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  // Two that were punctuation in Unicode 8 and are none today.
  if (c == 0x166D || c == 0x111C9) return true;
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_P_MASK) != 0 && IsOlderThan(c, 8);
}

bool IsWordCharacter(char32_t c) {
  constexpr uint32_t kMask = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  const UChar32 code = static_cast<UChar32>(c);
  return u_hasBinaryProperty(code, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(code) & kMask) != 0 ||
         u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL);
}

std::string LowercaseUnicode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = DecodeUtf8Char(text);
    text.remove_prefix(c.size_bytes);
    if (c.code_point < 0x80) {
      out.push_back(static_cast<char>(c.code_point >= 'A' && c.code_point <= 'Z' ? c.code_point + 32 : c.code_point));
    } else if (c.code_point == 0x130) {  // the one character whose lower case is two
      out.append("i\xCC\x87");
    } else {
      AppendUtf8(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c.code_point))), &out);
    }
  }
  return out;
}

}  // namespace lwq
