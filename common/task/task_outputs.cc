#include "common/task/task_outputs.h"

#include "common/task/task_params.h"

namespace lwq {
namespace {

StatusOr<std::vector<std::string>> TrainingRoles(const Json& json) {
  LWQ_ASSIGN_OR_RETURN(const TrainBlockParams params, TrainBlockParams::FromJson(json));
  const int64_t blocks = 1 + static_cast<int64_t>(params.rest.size());
  std::vector<std::string> roles;
  for (int64_t i = 0; i < blocks; ++i) roles.push_back(UnitRole("block", i));
  for (int64_t i = 0; i < blocks && params.keep_latent; ++i) roles.push_back(UnitRole("latent", i));
  return roles;
}

StatusOr<std::vector<std::string>> BackwardRoles(const Json& json) {
  LWQ_ASSIGN_OR_RETURN(const BackwardBlockParams params, BackwardBlockParams::FromJson(json));
  std::vector<std::string> roles;
  if (params.block > 0) roles.push_back("gradients");
  if (params.sum_gradients) roles.push_back("gradient_sum");
  return roles;
}

}  // namespace

std::string UnitRole(std::string_view role, int64_t i) {
  return i == 0 ? std::string(role) : absl::StrCat(role, ".", i);
}

StatusOr<std::vector<std::string>> OutputRoles(TaskKind kind, const Json& params) {
  using Roles = std::vector<std::string>;
  switch (kind) {
    case TaskKind::kTokenize:
      return Roles{"tokens"};
    case TaskKind::kEmbed:
    case TaskKind::kAdvance:
      return Roles{"activations"};
    case TaskKind::kTrainBlock:
      return TrainingRoles(params);
    case TaskKind::kRtnBlock:
      return Roles{"block"};
    case TaskKind::kEvaluatePpl:
      return Roles{"losses"};
    case TaskKind::kExport:
      return Roles{"files"};
    case TaskKind::kLossGradient:
      return Roles{"gradients"};
    case TaskKind::kBackwardBlock:
      return BackwardRoles(params);
    case TaskKind::kReducePpl:
    case TaskKind::kGradientNorm:
    case TaskKind::kOutputFisher:
    case TaskKind::kLossDelta:
    case TaskKind::kHessian:
    case TaskKind::kWeightError:
    case TaskKind::kNoop:
      return Roles{};
  }
  return Roles{};
}

}  // namespace lwq
