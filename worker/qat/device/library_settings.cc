// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/library_settings.h"

#include <unistd.h>

#include <cstdlib>

namespace lwq::qat {

std::vector<std::pair<std::string, std::string>> LibrarySettings(InstructionSet cpu) {
  std::vector<std::pair<std::string, std::string>> settings = {{"OMP_WAIT_POLICY", "passive"}};
  switch (cpu) {
    case InstructionSet::kAmx:
    case InstructionSet::kAvx512Bf16:
    case InstructionSet::kAvx512:
      settings.emplace_back("OPENBLAS_CORETYPE", "SkylakeX");
      break;
    case InstructionSet::kAvx2:
      settings.emplace_back("OPENBLAS_CORETYPE", "Haswell");
      break;
    case InstructionSet::kScalar:  // another architecture, or a CPU that OpenBLAS knows
      break;
  }
  return settings;
}

void EnsureLibrarySettings(char** argv) {
  bool lacking = false;
  for (const auto& [name, value] : LibrarySettings(DetectInstructionSet())) {
    if (std::getenv(name.c_str()) != nullptr) continue;
    ::setenv(name.c_str(), value.c_str(), 1);
    lacking = true;
  }
  if (lacking) ::execv("/proc/self/exe", argv);
}

}  // namespace lwq::qat
