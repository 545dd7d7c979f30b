// Which instructions the fused kernels use on this CPU.
//
// Thread-safety: reading is safe from any thread; ScopedInstructionSet is for tests on one thread.
#pragma once

#include <string_view>

namespace lwq::qat {

enum class InstructionSet { kScalar, kAvx2, kAvx512, kAvx512Bf16 };

// "scalar", "avx2", "avx512", "avx512+bf16".
std::string_view InstructionSetName(InstructionSet set);

// The best one of this CPU and this build.
InstructionSet DetectInstructionSet();

// What the kernels use: the detected one unless a test says otherwise.
InstructionSet ActiveInstructionSet();

// The CPU multiplies bf16 in hardware (those with AMX have AVX512_BF16 too).
bool CpuHasBf16();

// Test hook: kernels use `set`, which must not be better than the detected one, until the object dies.
class ScopedInstructionSet {
 public:
  explicit ScopedInstructionSet(InstructionSet set);
  ~ScopedInstructionSet();
  ScopedInstructionSet(const ScopedInstructionSet&) = delete;
  ScopedInstructionSet& operator=(const ScopedInstructionSet&) = delete;

 private:
  InstructionSet before_;
};

}  // namespace lwq::qat
