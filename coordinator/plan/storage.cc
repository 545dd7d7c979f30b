#include "coordinator/plan/storage.h"

#include <vector>

#include "absl/strings/str_join.h"
#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

constexpr const char* kFormats[] = {"gptq_v2", "fake_quant", "none"};
constexpr int64_t kFp16Bytes = 2;
constexpr int64_t kWordBytes = 4;
constexpr int64_t kWordBits = 32;

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

bool FormatHolds(std::string_view format, int bits) {
  if (format == "gptq_v2") return bits == 2 || bits == 3 || bits == 4 || bits == 8;
  return format == "fake_quant" || format == "none";
}

std::string FormatsThatHold(int bits) {
  std::vector<std::string> holding;
  for (const char* format : kFormats) {
    if (FormatHolds(format, bits)) holding.push_back(format);
  }
  return absl::StrJoin(holding, " or ");
}

LinearStorage StorageOf(std::string_view format, const LinearShape& shape, int bits, int64_t group_size) {
  LWQ_CHECK(FormatHolds(format, bits), "format ", format, " cannot hold ", bits, " bits");
  const int64_t k = shape.in_features;
  const int64_t n = shape.out_features;
  if (format == "fake_quant") return {.stored_bytes = k * n * kFp16Bytes, .index_bytes = 0};
  const int64_t groups = group_size == -1 ? 1 : CeilDiv(k, group_size);
  const int64_t code_words = CeilDiv(k * bits, kWordBits) * n;
  const int64_t zero_point_words = groups * CeilDiv(n * bits, kWordBits);
  return {.stored_bytes = (code_words + zero_point_words) * kWordBytes + groups * n * kFp16Bytes,
          .index_bytes = format == "gptq_v2" ? k * kWordBytes : 0};
}

int64_t UnquantizedBytes(const LlamaConfig& config) {
  const int64_t embedding = config.vocab_size * config.hidden_size;
  const int64_t head = config.tie_word_embeddings ? 0 : embedding;
  const int64_t norms_per_block = BlockParameters(config) - BlockLinearParameters(config);
  return (embedding + head + config.hidden_size + config.num_hidden_layers * norms_per_block) * kFp16Bytes;
}

}  // namespace lwq::coordinator
