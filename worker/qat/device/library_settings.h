// SPDX-License-Identifier: Apache-2.0
// Settings that the libraries under LibTorch read when they are loaded, before main: too late to set them then, so the
// program starts itself again with them. A value that the user has set is kept.
//
// OMP_WAIT_POLICY=passive: without it, two workers with two threads each on two cores run eight times slower, because
//   waiting threads spin.
// OPENBLAS_CORETYPE: OpenBLAS chooses its kernels by the CPU's model number and takes those of 2004 (SSE3) for a model
//   newer than itself, 3 to 6 times slower than what the same CPU can do. Chosen here by what the CPU can do instead:
//   SkylakeX with AVX-512, Haswell with AVX2, on every model. So workers on CPUs of different generations also agree in
//   more of their bits.
//
// Free of LibTorch. Thread-safety: for the start of main, before there are threads.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "worker/qat/device/cpu_features.h"

namespace lwq::qat {

// Name and value of each setting for a CPU.
std::vector<std::pair<std::string, std::string>> LibrarySettings(InstructionSet cpu);

// Starts the program again with the same arguments and the settings it lacks; returns when it lacks none, or where
// starting again is not possible (the self-check then says what is wrong).
void EnsureLibrarySettings(char** argv);

}  // namespace lwq::qat
