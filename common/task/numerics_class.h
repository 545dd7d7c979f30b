// SPDX-License-Identifier: Apache-2.0
// The numerics class: what a result's bits depend on besides its inputs. Two workers of one class give equal bytes.
//
// Text form "device_model|instruction_set|libraries|precision|threads", e.g. "AMD EPYC|avx512|torch-1.13.1 …|fp32|t1".
// A worker announces the base (its first three fields); a run adds precision and threads, which is a recipe
// field (docs/spec.md, "Identity and reuse").
#pragma once

#include <string>
#include <string_view>

#include "common/recipe/choices.h"

namespace lwq {

// `base` as announced by a worker; `precision` kFp32 or kBf16.
std::string NumericsClass(std::string_view base, Precision precision, int threads);
// Whether a worker that announces `base` can execute tasks of `numerics_class` ("" fits every worker).
bool NumericsClassFits(std::string_view numerics_class, std::string_view base);
// The base of a full class; "" where it is none.
std::string BaseOf(std::string_view numerics_class);
// The parts of a full class that an executor needs; "" gives fp32 and one thread.
struct NumericsParts {
  Precision precision = Precision::kFp32;
  int threads = 1;
};
NumericsParts PartsOf(std::string_view numerics_class);

}  // namespace lwq
