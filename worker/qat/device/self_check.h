// SPDX-License-Identifier: Apache-2.0
// What the libraries under LibTorch really are, and what is wrong with them. Debian's defaults give a worker that is 2
// to 30 times too slow without any error: a reference BLAS, the pthread OpenBLAS under an OpenMP program, OpenBLAS's
// kernels of 2004 on a CPU newer than itself, spinning OpenMP threads.
#pragma once

#include <string>
#include <vector>

namespace lwq::qat {

struct LibraryFacts {
  std::string sgemm_path;      // shared object that sgemm_ comes from; "" when there is none (e.g. MKL inside LibTorch)
  std::string openblas_path;   // shared object of OpenBLAS; "" when it is not loaded
  int openblas_parallel = -1;  // 0 sequential, 1 pthread, 2 OpenMP; −1: not OpenBLAS
  std::string openblas_version;       // "0.3.21"
  std::string openblas_core;          // kernels in use, "Haswell"
  std::string instruction_set;        // what the CPU has, "avx512"
  std::string onednn_version;         // "2.6.3"
  std::string mkl_version;            // "2024.2"; "" where LibTorch has no MKL
  std::string torch_version;          // of the loaded library: "1.13.0"
  std::string capability;             // of LibTorch's own kernels: "AVX2"
  std::string libm_version;           // of the C library: "2.36"
  std::vector<std::string> settings;  // of the environment (torch_config.h): "MKL_CBWR=AVX2"
  std::string omp_wait_policy;        // the environment's value when the process started
  double gemm_gflops = 0;             // fp32 256³, one thread
};

// Looks at the loaded libraries; runs the GEMM probe (5–40 ms). Call on the compute thread.
LibraryFacts InspectLibraries();

// "torch-1.13.0-AVX2 openblas-0.3.21-Haswell onednn-2.6.3 libm-2.36", then the settings: everything of them that can
// change bits.
std::string DescribeLibraries(const LibraryFacts& facts);

// Empty, or one line: what is wrong and the command that mends it. Pure.
std::string DiagnoseLibraries(const LibraryFacts& facts, int max_threads);

}  // namespace lwq::qat
