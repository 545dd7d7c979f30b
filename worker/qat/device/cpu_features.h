// SPDX-License-Identifier: Apache-2.0
// Which instructions the fused kernels use on this CPU.
//
// Thread-safety: reading is safe from any thread; ScopedInstructionSet is for tests on one thread.
#pragma once

#include <string_view>

namespace lwq::qat {

// kAmx: tiles of bf16 products beside everything of kAvx512Bf16.
enum class InstructionSet { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };

// "scalar", "avx2", "avx512", "avx512+bf16", "avx512+bf16+amx".
std::string_view InstructionSetName(InstructionSet set);

// The best one of this CPU, this build and what the system lets a process use (Linux is asked for the tiles of AMX).
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
