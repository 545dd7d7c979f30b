// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/sentencepiece_normalizer.h"

#include <cstring>

#include "common/text/utf8.h"

namespace lwq {
namespace {

uint32_t LittleEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return value;
}

// The fields of a darts-clone unit.
bool HasLeaf(uint32_t unit) {
  return (unit >> 8) & 1;
}
uint32_t Value(uint32_t unit) {
  return unit & 0x7FFFFFFFu;
}
uint32_t Label(uint32_t unit) {
  return unit & 0x800000FFu;
}
uint32_t Offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

}  // namespace

StatusOr<CharacterMap> CharacterMap::Parse(std::string_view blob) {
  CharacterMap map;
  if (blob.empty()) return map;
  if (blob.size() < 4) return absl::InvalidArgumentError("precompiled_charsmap is truncated");
  const size_t trie_bytes = LittleEndian32(blob);
  blob.remove_prefix(4);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes >= blob.size() || blob.back() != '\0') {
    return absl::InvalidArgumentError("precompiled_charsmap is damaged: its trie and replacements do not fit its size");
  }
  map.units_.reserve(trie_bytes / 4);
  for (size_t i = 0; i < trie_bytes; i += 4) map.units_.push_back(LittleEndian32(blob.substr(i, 4)));
  map.replacements_ = std::string(blob.substr(trie_bytes));
  return map;
}

std::optional<CharacterMap::Match> CharacterMap::LongestMatch(std::string_view text) const {
  if (units_.empty()) return std::nullopt;
  std::optional<Match> longest;
  size_t node = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || Label(units_[node]) != byte) break;
    const bool leaf = HasLeaf(units_[node]);
    node ^= Offset(units_[node]);
    if (!leaf || node >= units_.size()) continue;
    const size_t at = Value(units_[node]);
    // replacements_ ends in NUL, so the string at any valid offset is terminated.
    if (at < replacements_.size()) longest = Match{std::string_view(replacements_.c_str() + at), i + 1};
  }
  return longest;
}

StatusOr<SentencePieceNormalizer> SentencePieceNormalizer::Create(const SentencePieceModel& model,
                                                                  const PrefixTrie* user_defined) {
  SentencePieceNormalizer normalizer;
  LWQ_ASSIGN_OR_RETURN(normalizer.characters_, CharacterMap::Parse(model.precompiled_charsmap));
  normalizer.user_defined_ = user_defined;
  normalizer.add_dummy_prefix_ = model.add_dummy_prefix;
  normalizer.remove_extra_whitespaces_ = model.remove_extra_whitespaces;
  normalizer.escape_whitespaces_ = model.escape_whitespaces;
  return normalizer;
}

SentencePieceNormalizer::Step SentencePieceNormalizer::NormalizePrefix(std::string_view text) const {
  if (const auto symbol = user_defined_->LongestMatch(text); symbol.has_value()) {
    return {text.substr(0, symbol->size_bytes), symbol->size_bytes};
  }
  if (const auto mapped = characters_.LongestMatch(text); mapped.has_value()) {
    return {mapped->replacement, mapped->size_bytes};
  }
  const Utf8Char c = DecodeUtf8Char(text);
  if (!c.valid) return {kReplacementCharacter, 1};
  return {text.substr(0, c.size_bytes), c.size_bytes};
}

StatusOr<std::string> SentencePieceNormalizer::Normalize(std::string_view text, bool with_prefix,
                                                         KeepGoing keep_going) const {
  PacedKeepGoing paced(keep_going);
  const std::string_view space = escape_whitespaces_ ? kSpaceSymbol : std::string_view(" ");
  while (remove_extra_whitespaces_ && !text.empty()) {
    const Step step = NormalizePrefix(text);
    if (step.text != " ") break;
    text.remove_prefix(step.consumed_bytes);
  }
  std::string out;
  if (text.empty()) return out;
  out.reserve(text.size() + text.size() / 2 + space.size());
  if (add_dummy_prefix_ && with_prefix) out.append(space);
  bool after_space = remove_extra_whitespaces_;
  while (!text.empty()) {
    LWQ_RETURN_IF_ERROR(paced.Ask());
    Step step = NormalizePrefix(text);
    text.remove_prefix(step.consumed_bytes);
    while (after_space && step.text.starts_with(' ')) step.text.remove_prefix(1);
    if (step.text.empty()) continue;
    for (const char c : step.text) {
      if (c == ' ') {
        out.append(space);
      } else {
        out.push_back(c);
      }
    }
    after_space = remove_extra_whitespaces_ && step.text.ends_with(' ');
  }
  while (remove_extra_whitespaces_ && std::string_view(out).ends_with(space)) out.erase(out.size() - space.size());
  return out;
}

}  // namespace lwq
