// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/loading.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/export_format/consumers.h"
#include "common/export_format/gptq.h"

namespace lwq {
namespace {

constexpr char kPython[] = "python";
constexpr char kShell[] = "sh";

// What to type where a program loads the format, and what its row (consumers.h) does not say.
struct LoadingLines {
  Consumer consumer = Consumer::kVllm;
  ExportFormat format = ExportFormat::kNone;
  std::vector<std::string> code;
  const char* language = kPython;
  std::string note = {};
};

std::vector<LoadingLines> AllLines() {
  const std::vector<std::string> vllm = {"from vllm import LLM", "", "model = LLM(model=\"DIR\")"};
  const LoadingLines llama_cpp = {
      .consumer = Consumer::kLlamaCpp,
      .format = ExportFormat::kGguf,
      .code = {"llama-server --model DIR/model.gguf"},
      .language = kShell,
      .note =
          "Compare its weights with others', not its logits or texts. What was run is `xllamacpp` 2026.10.11549, which "
          "carries that version, and not this command."};
  LoadingLines llama_cpp_small = llama_cpp;
  llama_cpp_small.format = ExportFormat::kGgufQ41;
  const LoadingLines gptq_model = {.consumer = Consumer::kGptqModel,
                                   .format = ExportFormat::kGptqV2,
                                   .code = {"import torch", "from gptqmodel import GPTQModel", "",
                                            "model = GPTQModel.load(\"DIR\", dtype=torch.float16)"},
                                   .note = "Without this dtype no weight is the exported one."};
  LoadingLines gptq_model_one = gptq_model;
  gptq_model_one.format = ExportFormat::kGptq;
  return {
      {Consumer::kVllm, ExportFormat::kGptqV2, vllm},
      {Consumer::kVllm, ExportFormat::kGptq, vllm},
      {Consumer::kVllm, ExportFormat::kCompressedTensors, vllm},
      {Consumer::kVllm, ExportFormat::kFakeQuant, vllm},
      gptq_model,
      gptq_model_one,
      llama_cpp,
      llama_cpp_small,
      {Consumer::kTransformers,
       ExportFormat::kGptqV2,
       {"pip install optimum gptqmodel", "",
        "python -c 'import torch, transformers; transformers.AutoModelForCausalLM.from_pretrained(\"DIR\", "
        "dtype=torch.float16)'"},
       kShell,
       "With optimum 2.3 alone loading ends in a NameError."},
      {Consumer::kTransformers,
       ExportFormat::kCompressedTensors,
       {"from transformers import AutoModelForCausalLM, CompressedTensorsConfig", "",
        "model = AutoModelForCausalLM.from_pretrained(",
        "    \"DIR\", quantization_config=CompressedTensorsConfig(dequantize=True))"},
       kPython,
       "It takes compressed-tensors 0.20.0."},
      {Consumer::kTransformers,
       ExportFormat::kFakeQuant,
       {"import torch", "from transformers import AutoModelForCausalLM", "",
        "model = AutoModelForCausalLM.from_pretrained(\"DIR\", dtype=torch.float16)"},
       kPython,
       "Whatever loads the original loads it. It saves no memory."},
      {Consumer::kAutoRound,
       ExportFormat::kGptq,
       {"from auto_round import AutoRoundConfig", "from transformers import AutoModelForCausalLM", "",
        "model = AutoModelForCausalLM.from_pretrained(\"DIR\", quantization_config=AutoRoundConfig())"}},
  };
}

// Of what its row says; without lines to type where it does not load the model as it is.
LoadingAdvice AdviceFor(const Served& served, Consumer consumer, ExportFormat format) {
  LoadingAdvice advice{.consumer = std::string(VersionedName(consumer)),
                       .outcome = absl::StrCat(ServedText(consumer, format, served), ".")};
  if (!Loads(served)) return advice;
  for (LoadingLines& lines : AllLines()) {
    if (lines.consumer != consumer || lines.format != format) continue;
    advice.code = std::move(lines.code);
    advice.language = lines.language;
    if (!lines.note.empty()) absl::StrAppend(&advice.outcome, " ", lines.note);
  }
  return advice;
}

// Of readers that the table does not have.
void AddOthers(ExportFormat format, const ServedModel& model, std::vector<LoadingAdvice>& all) {
  if (IsGptq(format) && (model.widths.size() > 1 || model.group_sizes.size() > 1)) {
    all.push_back({.consumer = "Readers without `dynamic`",
                   .outcome =
                       "Blocks differ in bits or group size. A reader that does not honour the `dynamic` rules of "
                       "quantization_config cannot load them."});
  }
  if (TraitsOf(format).for_llama_cpp && model.widths.contains(2) && model.zero_points != ZeroPoints::kAny) {
    all.push_back({.consumer = "gguf 0.19.0 of PyPI",
                   .outcome = "It has no name for Q2_0 (type 42), so tools built on it refuse the file, and so does a "
                              "llama.cpp that is older than the type."});
  }
}

}  // namespace

std::vector<LoadingAdvice> HowToLoad(ExportFormat format, const ServedModel& model) {
  std::vector<LoadingAdvice> all;
  for (const Consumer consumer : AllChoices<Consumer>()) {
    const Served served = ServedBy(consumer, format, model);
    if (served.verdict != Verdict::kNotTried) all.push_back(AdviceFor(served, consumer, format));
  }
  AddOthers(format, model, all);
  return all;
}

}  // namespace lwq
