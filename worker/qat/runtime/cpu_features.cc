#include "worker/qat/runtime/cpu_features.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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
  }
  return "";
}

InstructionSet DetectInstructionSet() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return InstructionSet::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kScalar;
}

InstructionSet ActiveInstructionSet() {
  return Active().load(std::memory_order_relaxed);
}

bool CpuHasBf16() {
#if defined(__x86_64__)
  if (DetectInstructionSet() != InstructionSet::kAvx512) return false;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kAmxBf16 = 1u << 22;    // leaf 7, sub-leaf 0, edx
  constexpr unsigned kAvx512Bf16 = 1u << 5;  // leaf 7, sub-leaf 1, eax
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kAmxBf16) != 0) return true;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvx512Bf16) != 0;
#else
  return false;
#endif
}

ScopedInstructionSet::ScopedInstructionSet(InstructionSet set) : before_(ActiveInstructionSet()) {
  LWQ_CHECK(set <= DetectInstructionSet(), "this CPU has no ", std::string(InstructionSetName(set)));
  Active().store(set, std::memory_order_relaxed);
}

ScopedInstructionSet::~ScopedInstructionSet() {
  Active().store(before_, std::memory_order_relaxed);
}

}  // namespace lwq::qat
