// SPDX-License-Identifier: Apache-2.0
#include "client/tune/tune_batch.h"

#include <algorithm>

#include "client/base/message_bytes.h"
#include "client/base/request_id.h"
#include "common/json/json.h"

namespace lwq::client {
namespace {

Json JsonOf(const SearchAxis& axis) {
  const search::SearchParameter& parameter = axis.parameter;
  Json json = {{"key", parameter.name}, {"kind", static_cast<int>(parameter.kind)}};
  if (parameter.kind == search::ParameterKind::kCategorical) {
    json["choices"] = parameter.choices;
    return json;
  }
  json["low"] = parameter.low;
  json["high"] = parameter.high;
  json["log"] = parameter.log;
  if (parameter.step.has_value()) json["step"] = *parameter.step;
  return json;
}

}  // namespace

Digest IdentityOf(const TuneRequest& tune, const lwqat::v1::RunSpec& base) {
  Json axes = Json::array();
  for (const SearchAxis& axis : tune.axes) axes.push_back(JsonOf(axis));
  lwqat::v1::RunSpec inputs = base;
  *inputs.mutable_recipe() = tune.base.spec.recipe();
  inputs.clear_name();
  const Json settings = {{"search", axes},       {"name", tune.name},       {"seed", tune.seed},
                         {"batch", tune.batch},  {"startup", tune.startup}, {"metric", tune.metric},
                         {"halves", tune.halves}};
  Sha256 hasher;
  hasher.Update("lwq tune 1\n");
  hasher.Update(CanonicalJson(settings));
  if (tune.halves) hasher.Update(absl::StrCat("\n", DeterministicBytes(tune.halving)));
  hasher.Update(absl::StrCat("\n", DeterministicBytes(inputs)));
  return hasher.Finish();
}

StatusOr<lwqat::v1::SweepSpec> SweepOf(const TuneRequest& tune, const lwqat::v1::RunSpec& base,
                                       const TuneBatch& batch) {
  lwqat::v1::SweepSpec sweep;
  sweep.set_name(absl::StrCat(tune.name, " batch ", batch.number + 1));
  if (tune.halves) *sweep.mutable_halving() = tune.halving;
  for (size_t i = 0; i < batch.trials.size(); ++i) {
    LWQ_ASSIGN_OR_RETURN(const RunRequest request, TrialRequest(tune, batch.trials[i]));
    lwqat::v1::SweepRun* const run = sweep.add_runs();
    *run->mutable_spec() = base;
    *run->mutable_spec()->mutable_recipe() = request.spec.recipe();
    const int64_t trial = batch.first_trial + static_cast<int64_t>(i) + 1;
    run->mutable_spec()->set_name(absl::StrCat(tune.name, " trial ", trial));
    (*run->mutable_labels())["trial"] = absl::StrCat(trial);
    for (size_t a = 0; a < tune.axes.size(); ++a) {
      const SearchAxis& axis = tune.axes[a];
      (*run->mutable_labels())[axis.field->name] = ValueOfAxis(axis, batch.trials[i][a]).label;
    }
  }
  return sweep;
}

std::string RequestIdOf(const Digest& identity, const TuneBatch& batch) {
  return RequestIdFrom(
      DigestOf(absl::StrCat(identity.hex(), " ", batch.number, " ", batch.first_trial, " ", batch.trials.size())));
}

search::HalvingRule RuleOf(const lwqat::v1::Halving& halving, int64_t runs, int64_t blocks) {
  search::HalvingRule rule;
  rule.runs = runs;
  rule.blocks = blocks;
  if (halving.min_blocks() > 0) rule.min_blocks = std::min(halving.min_blocks(), blocks);
  if (halving.eta() > 0) rule.eta = halving.eta();
  return rule;
}

double HalvingShare(const TuneRequest& tune, int64_t trials, int64_t blocks) {
  if (!tune.halves || trials < 1 || blocks < 1) return 1;
  const search::HalvingRule rule = RuleOf(tune.halving, trials, blocks);
  int64_t trained = 0;
  int64_t before = 0;
  int64_t runs = trials;
  for (const int64_t rung : search::RungBlocks(rule)) {
    trained += runs * (rung - before);
    before = rung;
    runs = std::max<int64_t>(1, runs / rule.eta);
  }
  return static_cast<double>(trained) / static_cast<double>(trials * blocks);
}

}  // namespace lwq::client
