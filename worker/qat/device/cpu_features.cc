// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>

#include "common/status/status.h"

namespace lwq::qat {
namespace {

std::atomic<InstructionSet>& Active() {
  static std::atomic<InstructionSet> active{DetectInstructionSet()};
  return active;
}

#if defined(__x86_64__)
// The CPU has tiles of bf16, the system saves them, and this process may use them from now on.
bool MayUseAmx() {
#if defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16Tiles = (1u << 22) | (1u << 24);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBf16Tiles) != kBf16Tiles) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

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
    case InstructionSet::kAmx:
      return "avx512+bf16+amx";
  }
  return "";
}

InstructionSet DetectInstructionSet() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    if (!__builtin_cpu_supports("avx512bf16")) return InstructionSet::kAvx512;
    return MayUseAmx() ? InstructionSet::kAmx : InstructionSet::kAvx512Bf16;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kScalar;
}

InstructionSet ActiveInstructionSet() {
  return Active().load(std::memory_order_relaxed);
}

bool CpuHasBf16() {
  static const bool has = DetectInstructionSet() >= InstructionSet::kAvx512Bf16;
  return has;
}

ScopedInstructionSet::ScopedInstructionSet(InstructionSet set) : before_(ActiveInstructionSet()) {
  LWQ_CHECK(set <= DetectInstructionSet(), "this CPU has no ", std::string(InstructionSetName(set)));
  Active().store(set, std::memory_order_relaxed);
}

ScopedInstructionSet::~ScopedInstructionSet() {
  Active().store(before_, std::memory_order_relaxed);
}

}  // namespace lwq::qat
