// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer/sentencepiece_model.h"

#include <cmath>
#include <optional>

#include "common/text/one_line.h"
#include "common/tokenizer/byte_piece.h"
#include "common/tokenizer/string_map.h"
#include "common/tokenizer/wire_reader.h"

namespace lwq {
namespace {

// What the trainer's section says that is checked and then forgotten.
struct TrainerFacts {
  int32_t model_type = 1;
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
};

// A piece may hold any bytes.
std::string QuotedPiece(const SentencePiece& piece) {
  return absl::StrCat("'", OneLine(piece.text, 80), "'");
}

// Calls handle(field) → Status for every field of a message.
template <typename Handle>
Status ForEachField(std::string_view message, Handle&& handle) {
  WireReader reader(message);
  while (!reader.done()) {
    LWQ_ASSIGN_OR_RETURN(const WireField field, reader.Next());
    LWQ_RETURN_IF_ERROR(handle(field));
  }
  return absl::OkStatus();
}

template <typename T>
Status Store(StatusOr<T> value, T* to) {
  if (!value.ok()) return value.status();
  *to = *std::move(value);
  return absl::OkStatus();
}

Status Store(StatusOr<std::string_view> value, std::string* to) {
  if (value.ok()) *to = std::string(*value);
  return value.status();
}

StatusOr<SentencePiece> ParsePiece(std::string_view message) {
  SentencePiece piece;
  int32_t type = 1;
  LWQ_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) -> Status {
    switch (field.number) {
      case 1:
        return Store(field.AsBytes("piece"), &piece.text);
      case 2:
        return Store(field.AsFloat("score"), &piece.score);
      case 3:
        return Store(field.AsInt32("type"), &type);
      default:
        return absl::OkStatus();
    }
  }));
  if (type < 1 || type > 6)
    return absl::InvalidArgumentError(absl::StrCat("piece ", QuotedPiece(piece), " has the unknown type ", type));
  piece.type = static_cast<SentencePiece::Type>(type);
  return piece;
}

Status ParseTrainerSpec(std::string_view message, SentencePieceModel* model, TrainerFacts* facts) {
  return ForEachField(message, [&](const WireField& field) -> Status {
    switch (field.number) {
      case 3:
        return Store(field.AsInt32("model_type"), &facts->model_type);
      case 24:
        return Store(field.AsBool("treat_whitespace_as_suffix"), &facts->treat_whitespace_as_suffix);
      case 35:
        return Store(field.AsBool("byte_fallback"), &facts->byte_fallback);
      case 44:
        return Store(field.AsBytes("unk_surface"), &model->unk_surface);
      case 46:
        return Store(field.AsBytes("bos_piece"), &model->bos_piece);
      case 47:
        return Store(field.AsBytes("eos_piece"), &model->eos_piece);
      default:
        return absl::OkStatus();
    }
  });
}

Status ParseNormalizerSpec(std::string_view message, SentencePieceModel* model) {
  return ForEachField(message, [&](const WireField& field) -> Status {
    switch (field.number) {
      case 1:
        return Store(field.AsBytes("name"), &model->normalizer_name);
      case 2:
        return Store(field.AsBytes("precompiled_charsmap"), &model->precompiled_charsmap);
      case 3:
        return Store(field.AsBool("add_dummy_prefix"), &model->add_dummy_prefix);
      case 4:
        return Store(field.AsBool("remove_extra_whitespaces"), &model->remove_extra_whitespaces);
      case 5:
        return Store(field.AsBool("escape_whitespaces"), &model->escape_whitespaces);
      default:
        return absl::OkStatus();
    }
  });
}

Status CheckNoDenormalizer(std::string_view message) {
  return ForEachField(message, [&](const WireField& field) -> Status {
    if (field.number != 2 || field.bytes.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError("denormalization rules are not supported");
  });
}

Status CheckSupported(const TrainerFacts& facts) {
  switch (facts.model_type) {
    case 2:
      break;
    case 1:
      return absl::FailedPreconditionError("model_type 'unigram' is not supported; only 'bpe' is");
    case 3:
      return absl::FailedPreconditionError("model_type 'word' is not supported; only 'bpe' is");
    case 4:
      return absl::FailedPreconditionError("model_type 'char' is not supported; only 'bpe' is");
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("model_type ", facts.model_type, " is not supported; only 'bpe' is"));
  }
  if (facts.treat_whitespace_as_suffix) {
    return absl::FailedPreconditionError("treat_whitespace_as_suffix is not supported");
  }
  return absl::OkStatus();
}

// Fills unk_id and byte_ids, and checks every piece: that it has a text of its own and a finite score; that there is
// one unknown piece; and that byte pieces are all there or none, as byte_fallback says.
Status IndexPieces(bool byte_fallback, SentencePieceModel* model) {
  StringViewSet seen;
  std::vector<int32_t> byte_ids(256, -1);
  int32_t bytes_found = 0;
  bool unk_found = false;
  for (size_t i = 0; i < model->pieces.size(); ++i) {
    const SentencePiece& piece = model->pieces[i];
    const int32_t id = static_cast<int32_t>(i);
    if (piece.text.empty()) return absl::InvalidArgumentError(absl::StrCat("piece ", id, " is empty"));
    if (!std::isfinite(piece.score)) {
      return absl::InvalidArgumentError(
          absl::StrCat("piece ", id, " (", QuotedPiece(piece), ") has a score that is not a finite number"));
    }
    if (!seen.insert(piece.text).second) {
      return absl::InvalidArgumentError(absl::StrCat("piece ", id, " (", QuotedPiece(piece), ") occurs twice"));
    }
    if (piece.type == SentencePiece::Type::kUnknown) {
      if (unk_found)
        return absl::InvalidArgumentError(
            absl::StrCat("piece ", id, " (", QuotedPiece(piece), ") is a second unknown piece"));
      unk_found = true;
      model->unk_id = id;
    }
    if (piece.type == SentencePiece::Type::kByte) {
      const std::optional<uint8_t> byte = ParseBytePiece(piece.text);
      if (!byte.has_value()) {
        return absl::InvalidArgumentError(
            absl::StrCat("piece ", id, " (", QuotedPiece(piece), ") is typed as a byte but names none"));
      }
      byte_ids[*byte] = id;
      ++bytes_found;
    }
  }
  if (!unk_found) return absl::InvalidArgumentError("no piece is the unknown piece");
  if (byte_fallback != (bytes_found > 0) || (byte_fallback && bytes_found != 256)) {
    return absl::InvalidArgumentError(absl::StrCat("byte_fallback is ", byte_fallback ? "on" : "off",
                                                   " but the model has ", bytes_found, " of 256 byte pieces"));
  }
  if (byte_fallback) model->byte_ids = std::move(byte_ids);
  return absl::OkStatus();
}

// The numbers are those of <sentencepiece_model.proto>: 1 a piece, 2 TrainerSpec, 3 NormalizerSpec, 5 the denormalizer.
// Step 1 reads the sections in any order they come, step 2 refuses what cannot be computed, step 3 makes the index.
StatusOr<SentencePieceModel> ParseModel(std::string_view file) {
  SentencePieceModel model;
  TrainerFacts facts;
  LWQ_RETURN_IF_ERROR(ForEachField(file, [&](const WireField& field) -> Status {
    if (field.number < 1 || field.number > 5 || field.number == 4) return absl::OkStatus();
    LWQ_ASSIGN_OR_RETURN(const std::string_view message, field.AsBytes("a section of the model"));
    if (field.number == 1) {
      LWQ_ASSIGN_OR_RETURN(SentencePiece piece, ParsePiece(message));
      model.pieces.push_back(std::move(piece));
      return absl::OkStatus();
    }
    if (field.number == 2) return ParseTrainerSpec(message, &model, &facts);
    if (field.number == 3) return ParseNormalizerSpec(message, &model);
    return CheckNoDenormalizer(message);
  }));
  if (model.pieces.empty()) return absl::InvalidArgumentError("it holds no pieces; is it a SentencePiece model?");
  LWQ_RETURN_IF_ERROR(CheckSupported(facts));
  LWQ_RETURN_IF_ERROR(IndexPieces(facts.byte_fallback, &model));
  return model;
}

}  // namespace

StatusOr<SentencePieceModel> ParseSentencePieceModel(std::string_view file, std::string_view what) {
  StatusOr<SentencePieceModel> model = ParseModel(file);
  if (!model.ok()) return Annotate(model.status(), what);
  return model;
}

}  // namespace lwq
