// The numerics class: what a result's bits depend on besides its inputs. Two workers of one class give equal bytes.
//
// Text form "device_model|instruction_set|libraries|precision|threads", e.g. "AMD EPYC|avx512|torch-1.13.1 …|fp32|t1".
// A worker announces the base (its first three fields); a run adds precision and threads, which is a recipe
// field (docs/spec.md, "Identity and reuse").
#pragma once

#include <string>
#include <string_view>

namespace lwq {

// `base` as announced by a worker; `precision` "fp32" or "bf16".
std::string NumericsClass(std::string_view base, std::string_view precision, int threads);
// Whether a worker that announces `base` can execute tasks of `numerics_class` ("" fits every worker).
bool NumericsClassFits(std::string_view numerics_class, std::string_view base);
// The base of a full class; "" where it is none.
std::string BaseOf(std::string_view numerics_class);
// The parts of a full class that an executor needs; "" gives fp32 and one thread.
struct NumericsParts {
  std::string precision = "fp32";
  int threads = 1;
};
NumericsParts PartsOf(std::string_view numerics_class);

}  // namespace lwq
