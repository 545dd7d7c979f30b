// SPDX-License-Identifier: Apache-2.0
#include "coordinator/plan/remarks.h"

#include <set>

#include "absl/strings/str_join.h"
#include "common/export_format/consumers.h"
#include "common/export_format/export_format.h"
#include "common/status/status.h"
#include "coordinator/plan/recipe/group_size.h"
#include "coordinator/plan/recipe/sensitivity_choices.h"

namespace lwq::coordinator {
namespace {

bool AllMultiplesOf32(const LlamaConfig& model) {
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(model, kind);
    if (shape.in_features % 32 != 0 || shape.out_features % 32 != 0) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> ServingRemarks(const Recipe& recipe, const LlamaConfig& model,
                                        const std::vector<BlockPlan>& blocks) {
  ServedModel served = {.widths = {},
                        .group_sizes = {},
                        .multiples_of_32 = AllMultiplesOf32(model),
                        .common_width = CommonWidth(model),
                        .zero_points = ZeroPointsOf(recipe)};
  for (const BlockPlan& block : blocks) {
    served.widths.insert(block.bit_width);
    served.group_sizes.insert(block.group_size);
  }
  std::vector<std::string> remarks = TraitsOf(recipe.export_format).remarks(served);
  if (recipe.export_format == ExportFormat::kNone) return remarks;
  for (const Consumer consumer : AllChoices<Consumer>()) {
    remarks.push_back(ServedText(consumer, recipe.export_format, ServedBy(consumer, recipe.export_format, served)));
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
