// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/self_check.h"

#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "worker/qat/device/cpu_features.h"
#include "worker/qat/device/threads.h"
#include "worker/qat/device/torch_config.h"

namespace lwq::qat {
namespace {

constexpr int kOpenblasPthread = 1;
constexpr double kSlowGemmGflops = 20;  // a reference BLAS reaches 3–7, every optimised one more than 25

std::string ObjectOf(const void* symbol) {
  Dl_info info;
  if (symbol == nullptr || dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "";
  char* resolved = realpath(info.dli_fname, nullptr);
  std::string path = resolved != nullptr ? resolved : info.dli_fname;
  std::free(resolved);
  return path;
}

template <typename Function>
Function Symbol(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …" → "0.3.21"
std::string VersionInConfig(const char* config) {
  const std::vector<std::string> words = absl::StrSplit(config, ' ', absl::SkipEmpty());
  return words.size() >= 2 && words[0] == "OpenBLAS" ? words[1] : "unknown";
}

// Kernels for x86 CPUs without AVX2, by OpenBLAS's names.
bool IsBeforeAvx2(std::string_view core) {
  constexpr std::string_view kCores[] = {"Katmai",  "Coppermine",   "Northwood",  "Prescott",  "Banias",
                                         "Core2",   "Penryn",       "Dunnington", "Nehalem",   "Athlon",
                                         "Opteron", "Opteron_SSE3", "Barcelona",  "Nano",      "Atom",
                                         "Bobcat",  "Sandybridge",  "Bulldozer",  "Piledriver"};
  return std::find(std::begin(kCores), std::end(kCores), core) != std::end(kCores);
}

double ProbeGemmGflops() {
  constexpr int64_t kSize = 256;
  constexpr int kRepeats = 4;
  constexpr double kFlops = 2.0 * kSize * kSize * kSize;
  c10::AutoGradMode no_grad(false);
  ScopedThreads one(1);
  const at::Tensor a = at::ones({kSize, kSize});
  double best_seconds = 1e9;
  for (int i = 0; i <= kRepeats; ++i) {  // the first starts the library and does not count unless it is the best
    const auto begin = std::chrono::steady_clock::now();
    at::mm(a, a);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best_seconds = std::min(best_seconds, seconds.count());
  }
  return kFlops / best_seconds / 1e9;
}

}  // namespace

LibraryFacts InspectLibraries() {
  LibraryFacts facts;
  const TorchConfig torch = ParseTorchConfig(at::show_config());
  facts.torch_version = torch.torch_version;
  facts.capability = torch.capability;
  facts.mkl_version = torch.mkl_version;
  facts.onednn_version = torch.onednn_version;
  facts.libm_version = gnu_get_libc_version();
  facts.settings = NumericSettings([](const char* name) -> const char* { return std::getenv(name); });
  facts.sgemm_path = ObjectOf(dlsym(RTLD_DEFAULT, "sgemm_"));
  if (const auto parallel = Symbol<int (*)()>("openblas_get_parallel"); parallel != nullptr) {
    facts.openblas_parallel = parallel();
    facts.openblas_path = ObjectOf(reinterpret_cast<const void*>(parallel));
    if (const auto config = Symbol<const char* (*)()>("openblas_get_config"))
      facts.openblas_version = VersionInConfig(config());
    if (const auto core = Symbol<const char* (*)()>("openblas_get_corename")) facts.openblas_core = core();
  }
  facts.instruction_set = InstructionSetName(DetectInstructionSet());
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  facts.omp_wait_policy = policy == nullptr ? "" : absl::AsciiStrToLower(policy);
  facts.gemm_gflops = ProbeGemmGflops();
  return facts;
}

std::string DescribeLibraries(const LibraryFacts& facts) {
  std::vector<std::string> parts = {absl::StrCat("torch-", facts.torch_version, "-", facts.capability)};
  // OpenBLAS may be loaded and yet not be what LibTorch multiplies with: MKL is inside LibTorch, and a reference BLAS's
  // sgemm_ may come first.
  if (!facts.mkl_version.empty()) {
    parts.push_back(absl::StrCat("mkl-", facts.mkl_version));
  } else if (absl::StrContains(facts.sgemm_path, "openblas")) {
    parts.push_back(absl::StrCat("openblas-", facts.openblas_version, "-", facts.openblas_core,
                                 facts.openblas_parallel == kOpenblasPthread ? "-pthread" : ""));
  } else if (!facts.sgemm_path.empty()) {
    parts.push_back(absl::StrCat("blas-", facts.sgemm_path.substr(facts.sgemm_path.rfind('/') + 1)));
  }
  parts.push_back(absl::StrCat("onednn-", facts.onednn_version));
  parts.push_back(absl::StrCat("libm-", facts.libm_version));
  parts.insert(parts.end(), facts.settings.begin(), facts.settings.end());
  return absl::StrJoin(parts, " ");
}

std::string DiagnoseLibraries(const LibraryFacts& facts, int max_threads) {
  std::vector<std::string> problems;
  if (facts.mkl_version.empty() && !facts.sgemm_path.empty() && !absl::StrContains(facts.sgemm_path, "openblas") &&
      facts.gemm_gflops < kSlowGemmGflops) {
    problems.push_back(
        absl::StrFormat("matrix products use %s at %.1f GFLOP/s, a reference BLAS: apt-get install "
                        "libopenblas0-openmp",
                        facts.sgemm_path, facts.gemm_gflops));
  } else if (facts.gemm_gflops < kSlowGemmGflops) {
    problems.push_back(
        absl::StrFormat("a 256x256x256 fp32 product reached %.1f GFLOP/s where %.0f or more are expected: give the "
                        "worker a core of its own, and unset OPENBLAS_CORETYPE if it names an older CPU",
                        facts.gemm_gflops, kSlowGemmGflops));
  }
  if (facts.openblas_parallel == kOpenblasPthread && absl::StrContains(facts.sgemm_path, "openblas")) {
    problems.push_back(
        absl::StrCat("OpenBLAS is the pthread build (", facts.openblas_path,
                     "), which ignores the thread count: apt-get install libopenblas0-openmp, and build the "
                     "worker again"));
  }
  if (facts.instruction_set != "scalar" && IsBeforeAvx2(facts.openblas_core)) {
    problems.push_back(absl::StrCat("OpenBLAS uses its ", facts.openblas_core, " kernels on a CPU with ",
                                    facts.instruction_set,
                                    ", 3 to 6 times too slow: start the worker without OPENBLAS_CORETYPE"));
  }
  if (max_threads > 1 && facts.omp_wait_policy != "passive") {
    problems.push_back(
        "OMP_WAIT_POLICY is not passive, so workers that share cores slow each other down up to 8 times: start the "
        "worker with OMP_WAIT_POLICY=passive");
  }
  return absl::StrJoin(problems, "; ");
}

}  // namespace lwq::qat
