#include "worker/qat/runtime/cpu_features.h"

#include <atomic>

#include "common/status/status.h"

namespace lwq::qat {
namespace {

std::atomic<InstructionSet>& Active() {
  static std::atomic<InstructionSet> active{DetectInstructionSet()};
  return active;
}

}  // namespace

std::string_view InstructionSetName(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar:
      return "scalar";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx512Bf16:
      return "avx512+bf16";
  }
  return "";
}

InstructionSet DetectInstructionSet() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? InstructionSet::kAvx512Bf16 : InstructionSet::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kScalar;
}

InstructionSet ActiveInstructionSet() {
  return Active().load(std::memory_order_relaxed);
}

bool CpuHasBf16() {
  return DetectInstructionSet() == InstructionSet::kAvx512Bf16;
}

ScopedInstructionSet::ScopedInstructionSet(InstructionSet set) : before_(ActiveInstructionSet()) {
  LWQ_CHECK(set <= DetectInstructionSet(), "this CPU has no ", std::string(InstructionSetName(set)));
  Active().store(set, std::memory_order_relaxed);
}

ScopedInstructionSet::~ScopedInstructionSet() {
  Active().store(before_, std::memory_order_relaxed);
}

}  // namespace lwq::qat
