#include "worker/qat/pack/export_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_join.h"
#include "worker/qat/pack/gptq_layout.h"

namespace lwq::qat {
namespace {

constexpr ExportFormat kAllFormats[] = {ExportFormat::kGptqV2, ExportFormat::kFakeQuant};

void PlanLinear(const std::string& name, const LinearFormat& linear, ExportFormat format, int64_t block,
                std::vector<PlannedTensor>& tensors) {
  const auto add = [&](std::string_view suffix, DType dtype, std::vector<int64_t> shape, bool quantized_part) {
    tensors.push_back({absl::StrCat(name, suffix), dtype, std::move(shape), block, quantized_part});
  };
  const std::vector<int64_t> dense = {linear.out_features, linear.in_features};
  if (!linear.quantized()) return add(".weight", linear.dtype, dense, false);
  switch (format) {
    case ExportFormat::kFakeQuant:
      return add(".weight", DType::kF16, dense, true);
    case ExportFormat::kGptqV2: {
      GptqShapes shapes = GptqShapesOf(linear.out_features, linear.in_features, linear.bits, linear.group_size);
      add(".qweight", DType::kI32, std::move(shapes.qweight), true);
      add(".qzeros", DType::kI32, std::move(shapes.qzeros), true);
      add(".scales", DType::kF16, std::move(shapes.scales), true);
      add(".g_idx", DType::kI32, std::move(shapes.g_idx), false);
      return;
    }
  }
}

std::vector<PlannedTensor> PlanBlock(const LlamaConfig& config, int64_t block, const BlockFormat& layout,
                                     ExportFormat format) {
  const std::string prefix = BlockPrefix(block);
  std::vector<PlannedTensor> tensors;
  for (const auto& [kind, linear] : layout.linears) {
    PlanLinear(absl::StrCat(prefix, LinearName(kind)), linear, format, block, tensors);
  }
  const auto add_vector = [&](std::string_view name, DType dtype, int64_t size) {
    tensors.push_back({absl::StrCat(prefix, name), dtype, {size}, block, false});
  };
  for (const auto& [kind, dtype] : layout.biases) {
    add_vector(absl::StrCat(LinearName(kind), ".bias"), dtype, ShapeOf(config, kind).out_features);
  }
  add_vector(kInputNorm, layout.input_norm, config.hidden_size);
  add_vector(kPostAttentionNorm, layout.post_attention_norm, config.hidden_size);
  if (layout.query_norm) add_vector(kQueryNorm, *layout.query_norm, config.head_dim);
  if (layout.key_norm) add_vector(kKeyNorm, *layout.key_norm, config.head_dim);
  std::sort(tensors.begin(), tensors.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    const int width_a = DTypeBytes(a.dtype);
    const int width_b = DTypeBytes(b.dtype);
    return width_a != width_b ? width_a > width_b : a.name < b.name;
  });
  return tensors;
}

std::string ShardPath(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  char path[64];
  std::snprintf(path, sizeof(path), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return path;
}

}  // namespace

std::string_view ExportFormatName(ExportFormat format) {
  switch (format) {
    case ExportFormat::kGptqV2:
      return "gptq_v2";
    case ExportFormat::kFakeQuant:
      return "fake_quant";
  }
  LWQ_CHECK(false, "not an export format");
}

StatusOr<ExportFormat> ParseExportFormat(std::string_view name) {
  for (const ExportFormat format : kAllFormats) {
    if (name == ExportFormatName(format)) return format;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("export format '", name.substr(0, 80), "' is not supported; supported: gptq_v2, fake_quant"));
}

bool FormatHoldsBits(ExportFormat format, int bits) {
  switch (format) {
    case ExportFormat::kGptqV2:
      return GptqHoldsBits(bits);
    case ExportFormat::kFakeQuant:
      return true;
  }
  LWQ_CHECK(false, "not an export format");
}

Status CheckFormatHolds(ExportFormat format, int64_t block, const BlockFormat& layout) {
  for (const auto& [kind, linear] : layout.linears) {
    if (!linear.quantized() || FormatHoldsBits(format, linear.bits)) continue;
    std::vector<std::string> holding;
    for (const ExportFormat other : kAllFormats) {
      if (FormatHoldsBits(other, linear.bits)) holding.emplace_back(ExportFormatName(other));
    }
    return absl::FailedPreconditionError(absl::StrCat("block ", block, " ", LinearName(kind), ": ",
                                                      ExportFormatName(format), " cannot hold ", linear.bits,
                                                      " bits; formats that can: ", absl::StrJoin(holding, ", ")));
  }
  return absl::OkStatus();
}

int64_t PlannedTensor::bytes() const {
  int64_t bytes_of_all = DTypeBytes(dtype);
  for (const int64_t size : shape) bytes_of_all *= size;
  return bytes_of_all;
}

std::vector<PlannedTensor> PlanTensors(const LlamaConfig& config, const HeadDTypes& head, ExportFormat format,
                                       const std::vector<BlockFormat>& blocks) {
  const std::vector<int64_t> vocabulary = {config.vocab_size, config.hidden_size};
  const auto block_count = static_cast<int64_t>(blocks.size());
  std::vector<PlannedTensor> tensors = {{std::string(kEmbeddingTensor), head.embedding, vocabulary, -1, false}};
  for (int64_t block = 0; block < block_count; ++block) {
    for (PlannedTensor& tensor : PlanBlock(config, block, blocks[static_cast<size_t>(block)], format)) {
      tensors.push_back(std::move(tensor));
    }
  }
  tensors.push_back({std::string(kFinalNormTensor), head.final_norm, {config.hidden_size}, block_count, false});
  if (!config.tie_word_embeddings) {
    tensors.push_back({std::string(kHeadTensor), head.lm_head, vocabulary, block_count, false});
  }
  return tensors;
}

std::vector<PlannedShard> PlanShards(const std::vector<PlannedTensor>& tensors, int64_t shard_bytes) {
  std::vector<PlannedShard> shards;
  int64_t used_bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (shards.empty() || used_bytes + tensors[i].bytes() > shard_bytes) {
      shards.push_back({.path = "", .first = i, .count = 0});
      used_bytes = 0;
    }
    ++shards.back().count;
    used_bytes += tensors[i].bytes();
  }
  for (size_t i = 0; i < shards.size(); ++i) shards[i].path = ShardPath(i, shards.size());
  return shards;
}

std::string ShardHeader(const std::vector<PlannedTensor>& tensors, const PlannedShard& shard) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (size_t i = shard.first; i < shard.first + shard.count; ++i) {
    const PlannedTensor& tensor = tensors[i];
    const int64_t end = offset + tensor.bytes();
    header[tensor.name] = {
        {"dtype", std::string(DTypeName(tensor.dtype))}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = CanonicalJson(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string out(sizeof(length), '\0');
  std::memcpy(out.data(), &length, sizeof(length));
  return out + text;
}

Json ShardIndex(const std::vector<PlannedTensor>& tensors, const std::vector<PlannedShard>& shards) {
  Json index = {{"metadata", Json::object()}, {"weight_map", Json::object()}};
  int64_t total_bytes = 0;
  for (const PlannedShard& shard : shards) {
    for (size_t i = shard.first; i < shard.first + shard.count; ++i) {
      index["weight_map"][tensors[i].name] = shard.path;
      total_bytes += tensors[i].bytes();
    }
  }
  index["metadata"]["total_size"] = total_bytes;
  return index;
}

}  // namespace lwq::qat
