#include "coordinator/plan/remarks.h"

#include <set>

#include "absl/strings/str_join.h"
#include "common/status/status.h"
#include "coordinator/plan/group_size.h"
#include "coordinator/plan/sensitivity_choices.h"

namespace lwq::coordinator {
namespace {

bool AllMultiplesOf32(const LlamaConfig& model) {
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(model, kind);
    if (shape.in_features % 32 != 0 || shape.out_features % 32 != 0) return false;
  }
  return true;
}

void GptqRemarks(const LlamaConfig& model, const std::vector<BlockPlan>& blocks, std::vector<std::string>& remarks) {
  std::set<int> widths;
  std::set<int64_t> group_sizes;
  for (const BlockPlan& block : blocks) {
    widths.insert(block.bit_width);
    group_sizes.insert(block.group_size);
  }
  remarks.push_back(
      absl::StrCat("GPTQModel (Torch kernel) loads ", absl::StrJoin(widths, "/"), "-bit asymmetric gptq_v2"));
  if (widths.size() > 1 || group_sizes.size() > 1) {
    remarks.push_back(
        "blocks differ in bits or groups: the loader must honour quantization_config's per-module \"dynamic\" "
        "overrides, as GPTQModel and vLLM do");
  }
  if (widths.contains(3)) {
    remarks.push_back("Triton kernels hold 2, 4 and 8 bits, not 3: expect the slower Torch kernel");
  }
  remarks.push_back(
      "vLLM loads it through its gptq (exllama) kernels in releases that honour checkpoint_format gptq_v2; "
      "older ones read the zero points wrongly");
  remarks.push_back("Marlin kernels do not take it: they need symmetric weights, and these are asymmetric");
  for (const int64_t group_size : group_sizes) {
    if (group_size == -1 || group_size == 32 || group_size == 64 || group_size == 128) continue;
    remarks.push_back(
        absl::StrCat("group_size ", group_size, " is outside -1, 32, 64, 128: several kernels refuse it"));
  }
  if (!AllMultiplesOf32(model)) {
    remarks.push_back(
        "some linears are not a multiple of 32 wide: common kernels refuse them; our reader and the Torch kernel do "
        "not");
  }
}

}  // namespace

std::vector<std::string> ServingRemarks(const Recipe& recipe, const LlamaConfig& model,
                                        const std::vector<BlockPlan>& blocks) {
  std::vector<std::string> remarks;
  if (recipe.export_format == ExportFormat::kGptqV2) GptqRemarks(model, blocks, remarks);
  if (recipe.export_format == ExportFormat::kFakeQuant) {
    remarks.push_back("fake_quant is fp16 in size: any stack that loads the original loads it, and it saves no memory");
  }
  if (recipe.export_format == ExportFormat::kNone) {
    remarks.push_back("nothing is exported: stored bits count codes, fp16 scales and zero points packed densely");
  }
  return remarks;
}

std::vector<std::string> DefaultRemarks(const PartialRecipe& given, const Recipe& recipe, const LlamaConfig& model) {
  if (given.group_size.has_value() || recipe.group_size == kUsualGroupSize || !CutsIntoGroups(recipe)) return {};
  std::set<int64_t> widths;
  for (const LinearKind kind : kAllLinears) widths.insert(ShapeOf(model, kind).in_features);
  return {absl::StrCat("group_size ", recipe.group_size, " was chosen: the usual ", kUsualGroupSize,
                       " does not divide all input widths of the model's linears (", absl::StrJoin(widths, ", "), ")")};
}

}  // namespace lwq::coordinator
