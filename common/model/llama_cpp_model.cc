// SPDX-License-Identifier: Apache-2.0
#include "common/model/llama_cpp_model.h"

#include "absl/strings/str_cat.h"

namespace lwq {
namespace {

struct NamedModel {
  std::string_view name;
  LlamaCppModel model;
};

// llama.cpp has Mistral's dense models under Llama's name.
constexpr NamedModel kModels[] = {
    {"LlamaForCausalLM", {"llama", true}},
    {"MistralForCausalLM", {"llama", true}},
    {"Qwen2ForCausalLM", {"qwen2", false}},
    {"Qwen3ForCausalLM", {"qwen3", false}},
};

Status Lacks(const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat("llama.cpp ", what));
}

bool HasAnyBias(const LlamaConfig& config, std::initializer_list<LinearKind> kinds) {
  for (const LinearKind kind : kinds) {
    if (config.HasBias(kind)) return true;
  }
  return false;
}

Status CheckBiasesHeld(const LlamaConfig& config, std::string_view architecture) {
  using enum LinearKind;
  // Llama's code takes every bias that is there; Qwen2's has those of q, k and v, Qwen3's none.
  if (architecture == "llama") return absl::OkStatus();
  if (HasAnyBias(config, {kO, kGate, kUp, kDown}) || (architecture == "qwen3" && HasAnyBias(config, {kQ, kK, kV}))) {
    return Lacks(absl::StrCat("has no such biases in its architecture ", architecture, ": export another format"));
  }
  return absl::OkStatus();
}

Status CheckRopeHeld(const RopeScaling& scaling) {
  if (std::holds_alternative<RopeDynamic>(scaling)) {
    return Lacks("has no rope type dynamic: use the model without its rope_scaling, or export another format");
  }
  if (std::holds_alternative<RopeYarn>(scaling)) {
    return Lacks("computes rope type yarn by its own formula, which was not tried: export another format");
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<LlamaCppModel> LlamaCppModelOf(const LlamaConfig& config) {
  const NamedModel* found = nullptr;
  for (const NamedModel& named : kModels) {
    if (named.name == config.architecture) found = &named;
  }
  if (found == nullptr) return Lacks(absl::StrCat("was not tried with ", config.architecture));
  LWQ_RETURN_IF_ERROR(CheckBiasesHeld(config, found->model.architecture));
  LWQ_RETURN_IF_ERROR(CheckRopeHeld(config.rope_scaling));
  if (config.sliding_window.has_value() && *config.sliding_window < config.max_position_embeddings) {
    return Lacks(absl::StrCat("has no sliding window in its architecture ", found->model.architecture,
                              ", and the model has one of ", *config.sliding_window,
                              " positions: set max_position_embeddings to at most that, or export another format"));
  }
  // Llama's code rotates whole heads, and wants their size even.
  if (config.head_dim % 2 != 0) return Lacks(absl::StrCat("rotates pairs, and head_dim is ", config.head_dim));
  return found->model;
}

}  // namespace lwq
