// SPDX-License-Identifier: Apache-2.0
#include "common/task/task_outputs.h"

#include <type_traits>

#include "common/task/task_params.h"

namespace lwq {
namespace {

using Roles = std::vector<std::string>;

// Kinds whose parameters decide which of their roles they make.
Roles RolesOf(const TrainBlockParams& params) {
  const int64_t blocks = 1 + static_cast<int64_t>(params.rest.size());
  Roles roles;
  for (int64_t i = 0; i < blocks; ++i) roles.push_back(UnitRole("block", i));
  for (int64_t i = 0; i < blocks && params.keep_latent; ++i) roles.push_back(UnitRole("latent", i));
  return roles;
}

template <typename Params>
concept QuantizesABlock = std::is_same_v<Params, GptqBlockParams> || std::is_same_v<Params, FitRoundingParams>;

Roles RolesOf(const QuantizesABlock auto& params) {
  Roles roles = {"block"};
  if (params.keep_latent) roles.push_back("latent");
  return roles;
}

Roles RolesOf(const BackwardBlockParams& params) {
  Roles roles;
  if (params.block > 0) roles.push_back("gradients");
  if (params.sum_gradients) roles.push_back("gradient_sum");
  return roles;
}

Roles RolesOf(const TrainScalesParams& params) {
  if (!params.is_last()) return {"state"};
  Roles roles;
  for (int64_t i = 0; i < params.blocks; ++i) roles.push_back(UnitRole("block", i));
  return roles;
}

template <typename Params>
concept DecidesRoles = requires(const Params& params) {
  RolesOf(params);
};

}  // namespace

std::string UnitRole(std::string_view role, int64_t i) {
  return i == 0 ? std::string(role) : absl::StrCat(role, ".", i);
}

StatusOr<std::vector<std::string>> OutputRoles(TaskKind kind, const Json& json) {
  return VisitTaskKind(kind, [&](auto of_kind) -> StatusOr<Roles> {
    using Params = ParamsOf<of_kind()>;
    if constexpr (DecidesRoles<Params>) {
      LWQ_ASSIGN_OR_RETURN(const Params params, Params::FromJson(json));
      return RolesOf(params);
    } else {
      Roles roles;
      for (size_t i = 0; i < TraitsOf(kind).outputs.count; ++i)
        roles.emplace_back(TraitsOf(kind).outputs.roles[i].role);
      return roles;
    }
  });
}

}  // namespace lwq
