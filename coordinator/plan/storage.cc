#include "coordinator/plan/storage.h"

#include <vector>

#include "absl/strings/str_join.h"
#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

constexpr int64_t kFp16Bytes = 2;
constexpr int64_t kWordBytes = 4;
constexpr int64_t kWordBits = 32;

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

bool FormatHolds(ExportFormat format, int bits) {
  return format != ExportFormat::kGptqV2 || bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

std::string FormatsThatHold(int bits) {
  std::vector<std::string> holding;
  for (const ExportFormat format : AllChoices<ExportFormat>()) {
    if (FormatHolds(format, bits)) holding.emplace_back(WordOf(format));
  }
  return absl::StrJoin(holding, " or ");
}

LinearStorage StorageOf(ExportFormat format, const LinearShape& shape, int bits, int64_t group_size) {
  LWQ_CHECK(FormatHolds(format, bits), "format ", WordOf(format), " cannot hold ", bits, " bits");
  const int64_t k = shape.in_features;
  const int64_t n = shape.out_features;
  if (format == ExportFormat::kFakeQuant) return {.stored_bytes = k * n * kFp16Bytes, .index_bytes = 0};
  const int64_t groups = group_size == -1 ? 1 : CeilDiv(k, group_size);
  const int64_t code_words = CeilDiv(k * bits, kWordBits) * n;
  const int64_t zero_point_words = groups * CeilDiv(n * bits, kWordBits);
  return {.stored_bytes = (code_words + zero_point_words) * kWordBytes + groups * n * kFp16Bytes,
          .index_bytes = format == ExportFormat::kGptqV2 ? k * kWordBytes : 0};
}

int64_t UnquantizedBytes(const LlamaConfig& config) {
  const int64_t embedding = config.vocab_size * config.hidden_size;
  const int64_t head = config.tie_word_embeddings ? 0 : embedding;
  const int64_t norms_per_block = BlockParameters(config) - BlockLinearParameters(config);
  return (embedding + head + config.hidden_size + config.num_hidden_layers * norms_per_block) * kFp16Bytes;
}

}  // namespace lwq::coordinator
