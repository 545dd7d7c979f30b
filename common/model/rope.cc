// SPDX-License-Identifier: Apache-2.0
#include "common/model/rope.h"

#include <cmath>
#include <string>

#include "common/model/config_json.h"

namespace lwq {
namespace {

using internal::Find;
using internal::Impossible;
using internal::kConfigFile;
using internal::kMaxPositions;
using internal::NotSupported;
using internal::ReadOptionalPositive;
using internal::ReadOptionalSize;
using internal::ReadPositive;
using internal::Shown;

// The dictionary that counts, or null.
StatusOr<const Json*> RopeDictionary(const Json& config) {
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    const Json* dictionary = Find(config, key);
    if (dictionary == nullptr) continue;
    if (!dictionary->is_object()) {
      return Impossible(key, absl::StrCat("must be an object or null, not ", Shown(*dictionary)));
    }
    if (!dictionary->empty()) return dictionary;
  }
  return nullptr;
}

StatusOr<std::string> TypeOf(const Json& rope) {
  for (const std::string_view key : {"rope_type", "type"}) {
    const auto type = rope.find(key);
    if (type == rope.end()) continue;
    if (!type->is_string()) return Impossible(key, absl::StrCat("of rope_scaling must be a name, not ", Shown(*type)));
    return type->get<std::string>();
  }
  return "default";
}

Status ReadFactor(const Json& rope, double& factor) {
  LWQ_RETURN_IF_ERROR(ReadPositive(rope, "factor", factor));
  if (factor < 1) return Impossible("factor", absl::StrCat("of rope_scaling is ", factor, ", below 1"));
  return absl::OkStatus();
}

// At the top level where it stands there, else inside, else the model's length.
Status ReadOriginalLength(const Json& config, const Json& rope, int64_t max_position_embeddings, int64_t& length) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  length = max_position_embeddings;
  LWQ_RETURN_IF_ERROR(ReadOptionalSize(rope, kKey, kMaxPositions, length));
  return ReadOptionalSize(config, kKey, kMaxPositions, length);
}

StatusOr<RopeLlama3> ReadLlama3(const Json& config, const Json& rope, int64_t max_position_embeddings) {
  RopeLlama3 scaling;
  LWQ_RETURN_IF_ERROR(ReadFactor(rope, scaling.factor));
  LWQ_RETURN_IF_ERROR(ReadPositive(rope, "low_freq_factor", scaling.low_freq_factor));
  LWQ_RETURN_IF_ERROR(ReadPositive(rope, "high_freq_factor", scaling.high_freq_factor));
  LWQ_RETURN_IF_ERROR(
      ReadOriginalLength(config, rope, max_position_embeddings, scaling.original_max_position_embeddings));
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    return Impossible("high_freq_factor", "must be above 'low_freq_factor'");
  }
  return scaling;
}

double MagnitudeScale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// A number; 0 and null count as absent, as in transformers.
Status ReadUnlessZero(const Json& rope, std::string_view key, double& value) {
  const Json* given = Find(rope, key);
  return given == nullptr || *given == 0 ? absl::OkStatus() : ReadPositive(rope, key, value);
}

Status ReadAttentionFactor(const Json& rope, RopeYarn& scaling) {
  if (Find(rope, "attention_factor") != nullptr) {
    return ReadPositive(rope, "attention_factor", scaling.attention_factor);
  }
  double mscale = 0, mscale_all_dim = 0;
  LWQ_RETURN_IF_ERROR(ReadUnlessZero(rope, "mscale", mscale));
  LWQ_RETURN_IF_ERROR(ReadUnlessZero(rope, "mscale_all_dim", mscale_all_dim));
  scaling.attention_factor = mscale != 0 && mscale_all_dim != 0 ? MagnitudeScale(scaling.factor, mscale) /
                                                                      MagnitudeScale(scaling.factor, mscale_all_dim)
                                                                : MagnitudeScale(scaling.factor, 1);
  return absl::OkStatus();
}

StatusOr<RopeYarn> ReadYarn(const Json& config, const Json& rope, int64_t max_position_embeddings, double theta) {
  RopeYarn scaling;
  LWQ_RETURN_IF_ERROR(
      ReadOriginalLength(config, rope, max_position_embeddings, scaling.original_max_position_embeddings));
  if (rope.contains("factor") && rope["factor"].is_null()) {
    scaling.factor =
        static_cast<double>(max_position_embeddings) / static_cast<double>(scaling.original_max_position_embeddings);
  } else {
    LWQ_RETURN_IF_ERROR(ReadFactor(rope, scaling.factor));
  }
  LWQ_RETURN_IF_ERROR(ReadUnlessZero(rope, "beta_fast", scaling.beta_fast));
  LWQ_RETURN_IF_ERROR(ReadUnlessZero(rope, "beta_slow", scaling.beta_slow));
  LWQ_RETURN_IF_ERROR(ReadAttentionFactor(rope, scaling));
  if (const auto truncate = rope.find("truncate"); truncate != rope.end()) {
    if (!truncate->is_null() && !truncate->is_boolean()) {
      return Impossible("truncate", absl::StrCat("of rope_scaling must be true or false, not ", Shown(*truncate)));
    }
    scaling.truncate = *truncate == true;  // null is false here, as in transformers
  }
  if (theta <= 1) return Impossible("rope_theta", absl::StrCat("is ", theta, "; yarn needs one above 1"));
  return scaling;
}

StatusOr<RopeScaling> ReadScaling(const Json& config, const Json& rope, std::string_view type,
                                  int64_t max_position_embeddings, int64_t head_dim, double theta) {
  if (type == "default") return RopeScaling();
  if (type == "linear") {
    RopeLinear scaling;
    LWQ_RETURN_IF_ERROR(ReadFactor(rope, scaling.factor));
    return scaling;
  }
  if (type == "dynamic") {
    RopeDynamic scaling;
    LWQ_RETURN_IF_ERROR(ReadFactor(rope, scaling.factor));
    if (head_dim == 2) return Impossible("head_dim", "is 2; dynamic rope_scaling needs at least 4");
    return scaling;
  }
  if (type == "llama3") return ReadLlama3(config, rope, max_position_embeddings);
  if (type == "yarn") return ReadYarn(config, rope, max_position_embeddings, theta);
  return NotSupported(absl::StrCat("rope_scaling of type '", type.substr(0, 80),
                                   "' is not supported; supported: default, linear, dynamic, llama3, yarn"));
}

}  // namespace

StatusOr<Rope> ReadRope(const Json& config, int64_t max_position_embeddings, int64_t head_dim) {
  Rope out;
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(config, "rope_theta", out.theta));
  LWQ_ASSIGN_OR_RETURN(const Json* rope, RopeDictionary(config));
  if (rope == nullptr) return out;
  for (const std::string_view layer_type : {"full_attention", "sliding_attention"}) {
    if (rope->contains(layer_type)) {
      return NotSupported(absl::StrCat("rope parameters of their own for '", layer_type, "' are not supported"));
    }
  }
  double rotary_factor = 1;
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(*rope, "partial_rotary_factor", rotary_factor));
  if (rotary_factor != 1) return NotSupported("'partial_rotary_factor' other than 1 is not supported");
  LWQ_RETURN_IF_ERROR(ReadOptionalPositive(*rope, "rope_theta", out.theta));
  LWQ_ASSIGN_OR_RETURN(const std::string type, TypeOf(*rope));
  LWQ_ASSIGN_OR_RETURN(out.scaling, ReadScaling(config, *rope, type, max_position_embeddings, head_dim, out.theta));
  return out;
}

}  // namespace lwq
