// SPDX-License-Identifier: Apache-2.0
#include "common/export_format/loading.h"

#include <utility>

namespace lwq {
namespace {

using Advice = std::vector<LoadingAdvice>;

constexpr char kPython[] = "python";
constexpr char kShell[] = "sh";

LoadingAdvice Loads(std::string consumer, std::vector<std::string> code, std::string outcome,
                    std::string language = kPython) {
  return {std::move(consumer), std::move(code), std::move(language), std::move(outcome)};
}

LoadingAdvice DoesNotLoad(std::string consumer, std::string outcome) {
  return {std::move(consumer), {}, "", std::move(outcome)};
}

bool IsMixed(const ServedModel& model) {
  return model.widths.size() > 1 || model.group_sizes.size() > 1;
}

Advice GptqAdvice(const ServedModel& model) {
  Advice advice = {Loads(
      "GPTQModel 7.7.0",
      {"import torch", "from gptqmodel import GPTQModel", "", "model = GPTQModel.load(\"DIR\", dtype=torch.float16)"},
      "With this dtype every weight is exactly the scale times the code less the zero point. Without it GPTQModel "
      "takes bfloat16 on a CPU, which rounds the scales: no weight is then the exported one.")};
  advice.push_back(
      Loads("transformers 5.23.0",
            {"pip install optimum gptqmodel", "",
             "python -c 'import torch, transformers; transformers.AutoModelForCausalLM.from_pretrained(\"DIR\", "
             "dtype=torch.float16)'"},
            "It needs both packages: with optimum 2.3 alone loading ends in a NameError.", kShell));
  advice.push_back(DoesNotLoad("vLLM 0.32.0",
                               "It refuses asymmetric GPTQ of every width: \"Unsupported quantization config: bits=4, "
                               "sym=False\". Convert the export to compressed_tensors for it."));
  advice.push_back(
      DoesNotLoad("AutoRound 0.16.1",
                  "It reads GPTQ of version 1 only, and refuses this export because its config has `meta`. Do "
                  "not remove that key: without it every zero point is read one too high, without a word."));
  if (IsMixed(model)) {
    advice.push_back(
        DoesNotLoad("Readers without `dynamic`",
                    "Blocks differ in bits or group size. A reader that does not honour the `dynamic` rules of "
                    "quantization_config cannot load them; GPTQModel 7.7.0 does."));
  }
  return advice;
}

Advice CompressedAdvice(const ServedModel& model) {
  Advice advice;
  const std::string transformers = "transformers 5.23.0 with compressed-tensors 0.20.0";
  if (IsMixed(model)) {
    advice.push_back(
        DoesNotLoad(transformers,
                    "**Loads wrong or not at all**: it decodes all layers by one group's scheme, and the blocks "
                    "of this model differ in bits or group size. compressed-tensors' own decompressor is exact."));
  } else {
    advice.push_back(
        Loads(transformers,
              {"from transformers import AutoModelForCausalLM, CompressedTensorsConfig", "",
               "model = AutoModelForCausalLM.from_pretrained(",
               "    \"DIR\", quantization_config=CompressedTensorsConfig(dequantize=True))"},
              "Each weight is the exported one rounded to fp16. Zero points load with dequantize=True only."));
  }
  if (model.widths == std::set<int>{4}) {
    advice.push_back(Loads("vLLM 0.32.0", {"from vllm import LLM", "", "model = LLM(model=\"DIR\")"},
                           "Weights are exact. Its kernel for CPUs needs AVX-512 and sizes that are multiples of 32."));
  } else {
    advice.push_back(
        DoesNotLoad("vLLM 0.32.0",
                    "On a CPU it takes 4 bits only: \"Failed to find a kernel that can implement the WNA16 "
                    "linear layer\". On a GPU it was not tried."));
  }
  advice.push_back(DoesNotLoad("AutoRound 0.16.1",
                               "It refuses compressed-tensors: \"Only gptqv1, awq, and auto-round formats are "
                               "supported.\""));
  return advice;
}

Advice PlainAdvice(const ServedModel&) {
  return {Loads("transformers 5.23.0",
                {"import torch", "from transformers import AutoModelForCausalLM", "",
                 "model = AutoModelForCausalLM.from_pretrained(\"DIR\", dtype=torch.float16)"},
                "A plain fp16 model: whatever loads the original loads it. It saves no memory.")};
}

Advice GgufAdvice(const ServedModel& model) {
  Advice advice = {
      Loads(
          "llama.cpp b11549", {"llama-server --model DIR/model.gguf"},
          "It multiplies weights with activations rounded to 8 bits: compare its weights with others', not its logits "
          "or texts. What was run is `xllamacpp` 2026.10.11549, which carries that version, and not this command.",
          kShell),
      DoesNotLoad("vLLM 0.32.0", "It has no reader of GGUF. Export compressed_tensors for it.")};
  if (model.widths.contains(2) && model.middle_zero_points) {
    advice.push_back(
        DoesNotLoad("gguf 0.19.0 of PyPI",
                    "It has no name for Q2_0 (type 42), so tools built on it refuse the file, and so does a "
                    "llama.cpp that is older than the type."));
  }
  return advice;
}

}  // namespace

std::vector<LoadingAdvice> HowToLoad(ExportFormat format, const ServedModel& model) {
  switch (format) {
    case ExportFormat::kGptqV2:
      return GptqAdvice(model);
    case ExportFormat::kCompressedTensors:
      return CompressedAdvice(model);
    case ExportFormat::kFakeQuant:
      return PlainAdvice(model);
    case ExportFormat::kGguf:
    case ExportFormat::kGgufQ41:
      return GgufAdvice(model);
    case ExportFormat::kNone:
      break;
  }
  return {};
}

}  // namespace lwq
