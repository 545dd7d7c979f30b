// SPDX-License-Identifier: Apache-2.0
#include "common/export/gguf/gguf_names.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace lwq::qat {
namespace {

constexpr std::string_view kBlocks = "model.layers.";

// Without ".weight" and ".bias", which are the same on both sides.
constexpr std::pair<std::string_view, std::string_view> kOutside[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr std::pair<std::string_view, std::string_view> kInBlock[] = {
    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},     {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"},      {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},       {"input_layernorm", "attn_norm"},   {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"}};

template <size_t kCount>
std::string_view Renamed(const std::pair<std::string_view, std::string_view> (&names)[kCount], std::string_view name) {
  for (const auto& [ours, theirs] : names) {
    if (ours == name) return theirs;
  }
  LWQ_CHECK(false, "llama.cpp has no name for ", name);
}

// "3.self_attn.q_proj.weight" → "3", "self_attn.q_proj", ".weight".
struct NameParts {
  std::string_view block;  // "": outside
  std::string_view module;
  std::string_view suffix;
};

NameParts PartsOf(std::string_view name) {
  NameParts parts;
  const size_t dot = name.rfind('.');
  parts.suffix = name.substr(dot);
  parts.module = name.substr(0, dot);
  if (!parts.module.starts_with(kBlocks)) return parts;
  parts.module.remove_prefix(kBlocks.size());
  parts.block = parts.module.substr(0, parts.module.find('.'));
  parts.module.remove_prefix(parts.block.size() + 1);
  return parts;
}

}  // namespace

std::string LlamaCppName(std::string_view name) {
  const NameParts parts = PartsOf(name);
  if (parts.block.empty()) return absl::StrCat(Renamed(kOutside, parts.module), parts.suffix);
  return absl::StrCat("blk.", parts.block, ".", Renamed(kInBlock, parts.module), parts.suffix);
}

int64_t HeadsOf(std::string_view name, const LlamaConfig& config) {
  const NameParts parts = PartsOf(name);
  if (parts.module == LinearName(LinearKind::kQ)) return config.num_attention_heads;
  if (parts.module == LinearName(LinearKind::kK)) return config.num_key_value_heads;
  return 0;
}

HostTensor InterleaveHeads(const HostTensor& tensor, int64_t heads) {
  const int64_t head_rows = tensor.shape[0] / heads;
  const int64_t half = head_rows / 2;
  const size_t row_bytes = tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]);
  std::string out(tensor.bytes.size(), '\0');
  for (int64_t row = 0; row < tensor.shape[0]; ++row) {
    const int64_t head = row / head_rows;
    const int64_t in_head = row % head_rows;
    const int64_t from = head * head_rows + in_head % 2 * half + in_head / 2;
    std::memcpy(out.data() + static_cast<size_t>(row) * row_bytes,
                tensor.bytes.data() + static_cast<size_t>(from) * row_bytes, row_bytes);
  }
  return HostTensor{tensor.dtype, tensor.shape, Bytes::FromString(std::move(out))};
}

}  // namespace lwq::qat
