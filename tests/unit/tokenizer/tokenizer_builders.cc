// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokenizer/tokenizer_builders.h"

#include <algorithm>
#include <bit>
#include <map>

#include "common/tokenizer/byte_level.h"
#include "common/tokenizer/byte_piece.h"

namespace lwq {

namespace {

std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
  return out;
}

std::string Tag(int number, int wire_type) {
  return Varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire_type));
}

bool CanMerge(SentencePiece::Type type) {
  return type == SentencePiece::Type::kNormal || type == SentencePiece::Type::kUserDefined;
}

struct Merge {
  float score;
  int32_t left_id;
  int32_t right_id;
  std::string left;
  std::string right;
};

Json MergesOf(const SentencePieceModel& model) {
  std::map<std::string, int32_t> ids;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    if (CanMerge(model.pieces[i].type)) ids[model.pieces[i].text] = static_cast<int32_t>(i);
  }
  std::vector<Merge> merges;
  for (const SentencePiece& piece : model.pieces) {
    if (!CanMerge(piece.type)) continue;
    for (size_t cut = 1; cut < piece.text.size(); ++cut) {
      const auto left = ids.find(piece.text.substr(0, cut));
      const auto right = ids.find(piece.text.substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      merges.push_back({piece.score, left->second, right->second, left->first, right->first});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::make_tuple(-a.score, a.left_id, a.right_id) < std::make_tuple(-b.score, b.left_id, b.right_id);
  });
  Json list = Json::array();
  for (const Merge& merge : merges) list.push_back(merge.left + " " + merge.right);
  return list;
}

}  // namespace

std::string WireVarint(int number, uint64_t value) {
  return Tag(number, 0) + Varint(value);
}
std::string WireBytes(int number, std::string_view bytes) {
  return Tag(number, 2) + Varint(bytes.size()) + std::string(bytes);
}
std::string WireFloat(int number, float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  std::string out = Tag(number, 5);
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
  return out;
}

std::string WriteSentencePieceModel(const SentencePieceModel& model, const ModelFileOptions& options) {
  std::string file;
  for (const SentencePiece& piece : model.pieces) {
    file += WireBytes(
        1, WireBytes(1, piece.text) + WireFloat(2, piece.score) + WireVarint(3, static_cast<uint64_t>(piece.type)));
  }
  file += WireBytes(2, WireVarint(3, static_cast<uint64_t>(options.model_type)) +
                           WireVarint(24, options.treat_whitespace_as_suffix ? 1 : 0) +
                           WireVarint(35, model.byte_ids.empty() ? 0 : 1) + WireBytes(44, model.unk_surface) +
                           WireBytes(46, model.bos_piece) + WireBytes(47, model.eos_piece));
  file += WireBytes(3, WireBytes(1, model.normalizer_name) + WireBytes(2, model.precompiled_charsmap) +
                           WireVarint(3, model.add_dummy_prefix ? 1 : 0) +
                           WireVarint(4, model.remove_extra_whitespaces ? 1 : 0) +
                           WireVarint(5, model.escape_whitespaces ? 1 : 0));
  return file;
}

SentencePieceModel SmallModel(const std::vector<std::string>& pieces, bool byte_fallback) {
  SentencePieceModel model;
  model.normalizer_name = "identity";
  model.remove_extra_whitespaces = false;
  model.pieces.push_back({"<unk>", 0, SentencePiece::Type::kUnknown});
  model.pieces.push_back({"<s>", 0, SentencePiece::Type::kControl});
  model.pieces.push_back({"</s>", 0, SentencePiece::Type::kControl});
  for (int byte = 0; byte_fallback && byte < 256; ++byte) {
    model.byte_ids.push_back(static_cast<int32_t>(model.pieces.size()));
    model.pieces.push_back({BytePiece(static_cast<uint8_t>(byte)), 0, SentencePiece::Type::kByte});
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    model.pieces.push_back({pieces[i], -static_cast<float>(i), SentencePiece::Type::kNormal});
  }
  return model;
}

Json JsonOfSentencePiece(const SentencePieceModel& model, bool metaspace) {
  Json vocab = Json::object();
  for (size_t i = 0; i < model.pieces.size(); ++i) vocab[model.pieces[i].text] = i;
  const std::string space = "▁";
  Json json = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", Json::array()},
               {"normalizer", nullptr},
               {"pre_tokenizer", nullptr},
               {"post_processor", nullptr},
               {"model",
                {{"type", "BPE"},
                 {"dropout", nullptr},
                 {"unk_token", model.pieces[static_cast<size_t>(model.unk_id)].text},
                 {"continuing_subword_prefix", nullptr},
                 {"end_of_word_suffix", nullptr},
                 {"fuse_unk", true},
                 {"byte_fallback", !model.byte_ids.empty()},
                 {"vocab", vocab},
                 {"merges", MergesOf(model)}}}};
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", space}}}, {"content", " "}};
  json["decoder"] = {{"type", "Sequence"},
                     {"decoders",
                      {replace,
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  if (metaspace) {
    json["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", space}, {"prepend_scheme", "first"}, {"split", false}};
  } else {
    json["normalizer"] = {{"type", "Sequence"},
                          {"normalizers",
                           {{{"type", "Prepend"}, {"prepend", space}},
                            {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}}}}};
  }
  return json;
}

Json ByteLevelJson(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    vocab[ByteLevelOfBytes({&c, 1})] = byte;
  }
  Json merge_list = Json::array();
  for (const auto& [left, right] : merges) {
    const std::string l = ByteLevelOfBytes(left);
    const std::string r = ByteLevelOfBytes(right);
    if (!vocab.contains(l + r)) vocab[l + r] = vocab.size();
    merge_list.push_back(l + " " + r);
  }
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", kLlama3Pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocab},
            {"merges", merge_list}}}};
}

std::vector<std::string> Pieces(const Tokenizer& tokenizer, std::string_view text) {
  const StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text);
  LWQ_CHECK(ids.ok(), ids.status().ToString());
  std::vector<std::string> pieces;
  for (const int32_t id : *ids) pieces.emplace_back(*tokenizer.Piece(id));
  return pieces;
}

}  // namespace lwq
