// SPDX-License-Identifier: Apache-2.0
#include "client/transfer/check_weights.h"

#include <set>
#include <string>

#include "client/base/exit_code.h"
#include "common/model/check_finite.h"
#include "common/model/tensor_source.h"

namespace lwq::client {

Status CheckWeights(const std::vector<CheckedRun>& runs, const Interrupt& interrupt) {
  std::set<std::string> checked;
  for (const CheckedRun& run : runs) {
    if (!run.model.has_value() || run.request.config_only || !checked.insert(run.model->directory).second) continue;
    const std::string context = absl::StrCat(run.request.origin, ": model: ", run.model->directory);
    auto source = OpenModelDirectory(run.model->directory);
    if (!source.ok()) return WithExit(Annotate(source.status(), context), ExitCode::kUsage);
    const Status finite = CheckFiniteModel(run.model->config, **source, [&interrupt] { return interrupt.reason(); });
    LWQ_RETURN_IF_ERROR(interrupt.reason());
    if (!finite.ok()) return WithExit(Annotate(finite, context), ExitCode::kUsage);
  }
  return absl::OkStatus();
}

}  // namespace lwq::client
