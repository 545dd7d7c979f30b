#include "coordinator/plan/remarks.h"

#include "common/status/status.h"

namespace lwq::coordinator {
namespace {

bool AllMultiplesOf32(const LlamaConfig& model) {
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(model, kind);
    if (shape.in_features % 32 != 0 || shape.out_features % 32 != 0) return false;
  }
  return true;
}

void GptqRemarks(const Recipe& recipe, const LlamaConfig& model, std::vector<std::string>& remarks) {
  const int bits = recipe.wbits;
  remarks.push_back(absl::StrCat("GPTQModel (Torch kernel) loads ", bits, "-bit asymmetric gptq_v2"));
  if (bits == 3) {
    remarks.push_back("Triton kernels hold 2, 4 and 8 bits, not 3: expect the slower Torch kernel");
  }
  remarks.push_back(
      "vLLM loads it through its gptq (exllama) kernels in releases that honour checkpoint_format gptq_v2; "
      "older ones read the zero points wrongly");
  remarks.push_back("Marlin kernels do not take it: they need symmetric weights, and these are asymmetric");
  const bool common_group =
      recipe.group_size == -1 || recipe.group_size == 32 || recipe.group_size == 64 || recipe.group_size == 128;
  if (!common_group) {
    remarks.push_back(
        absl::StrCat("group_size ", recipe.group_size, " is outside -1, 32, 64, 128: several kernels refuse it"));
  }
  if (!AllMultiplesOf32(model)) {
    remarks.push_back(
        "some linears are not a multiple of 32 wide: common kernels refuse them; our reader and the Torch kernel do "
        "not");
  }
}

}  // namespace

std::vector<std::string> ServingRemarks(const Recipe& recipe, const LlamaConfig& model) {
  std::vector<std::string> remarks;
  if (recipe.export_format == "gptq_v2") GptqRemarks(recipe, model, remarks);
  if (recipe.export_format == "fake_quant") {
    remarks.push_back("fake_quant is fp16 in size: any stack that loads the original loads it, and it saves no memory");
  }
  if (recipe.export_format == "none") {
    remarks.push_back("nothing is exported: stored bits count codes, fp16 scales and zero points packed densely");
  }
  return remarks;
}

}  // namespace lwq::coordinator
