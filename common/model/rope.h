// SPDX-License-Identifier: Apache-2.0
// How a model's rotary embedding is scaled beyond the context it was trained with, as config.json says it.
//
// Read as transformers 5.23 reads it: "rope_scaling" where it is not empty, else "rope_parameters"; theta from inside
// that dictionary, else from the top level, else 10000. A dictionary without a type means "default". The formulas are
// where they are computed: worker/qat/model/rotary_frequencies.h.
//
// FAILED_PRECONDITION naming the type and what is supported ("longrope" and others); INVALID_ARGUMENT for numbers that
// cannot be. Values; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "common/json/json.h"
#include "common/status/status.h"

namespace lwq {

// Every frequency is divided by `factor`.
struct RopeLinear {
  double factor = 1.0;
};

// Beyond max_position_embeddings the base grows with the length of the sequence (NTK).
struct RopeDynamic {
  double factor = 1.0;
};

struct RopeLlama3 {
  double factor = 8.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 8192;
};

struct RopeYarn {
  double factor = 1.0;
  int64_t original_max_position_embeddings = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double attention_factor = 1.0;  // cosines and sines are multiplied by it; resolved from mscale where it is not given
  bool truncate = true;           // the range of blended dimensions is widened to whole ones
};

// std::monostate: "default", no scaling.
using RopeScaling = std::variant<std::monostate, RopeLinear, RopeDynamic, RopeLlama3, RopeYarn>;

struct Rope {
  double theta = 10000.0;
  RopeScaling scaling;
};

// Of the whole config.json; `max_position_embeddings` and `head_dim` are those of the model.
StatusOr<Rope> ReadRope(const Json& config, int64_t max_position_embeddings, int64_t head_dim);

}  // namespace lwq
