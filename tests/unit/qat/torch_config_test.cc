// SPDX-License-Identifier: Apache-2.0
// What LibTorch says of itself and what the environment sets, as it goes into the numerics class.
#include "worker/qat/device/torch_config.h"

#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lwq::qat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> SettingsIn(const std::map<std::string, std::string>& environment) {
  return NumericSettings([&environment](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(TorchConfigTest, ALibTorchWithMklNamesItsVersions) {
  // The lines of PyPI's torch 2.15.0 that matter.
  const TorchConfig config = ParseTorchConfig(
      "PyTorch built with:\n  - GCC 13.3\n  - C++ Version: 202002\n"
      "  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for Intel(R) 64 architecture "
      "applications\n"
      "  - Intel(R) MKL-DNN v3.13.3 (Git Hash b38f97eb6f2173513112f15a0481750b8a66e901)\n"
      "  - OpenMP 201511 (a.k.a. OpenMP 4.5)\n  - CPU capability usage: AVX512\n"
      "  - Build settings: BLAS_INFO=mkl, BUILD_TYPE=Release, PERF_WITH_AVX2=1, TORCH_VERSION=2.15.0, USE_CUDA=1, \n");
  EXPECT_EQ(config.torch_version, "2.15.0");
  EXPECT_EQ(config.capability, "AVX512");
  EXPECT_EQ(config.mkl_version, "2024.2");
  EXPECT_EQ(config.onednn_version, "3.13.3");
}

TEST(TorchConfigTest, WhatTheTextDoesNotNameIsEmpty) {
  const TorchConfig config = ParseTorchConfig("PyTorch built with:\n  - CPU capability usage: NO AVX\n");
  EXPECT_EQ(config.capability, "NO");
  EXPECT_EQ(config.torch_version, "");
  EXPECT_EQ(config.mkl_version, "");
  EXPECT_EQ(config.onednn_version, "");
}

TEST(NumericSettingsTest, VariablesThatChooseKernelsAreNamedAndOthersAreNot) {
  EXPECT_THAT(SettingsIn({}), IsEmpty());
  EXPECT_THAT(SettingsIn({{"MKL_CBWR", "AVX2,STRICT"}, {"MKL_NUM_THREADS", "4"}, {"DNNL_MAX_CPU_ISA", "AVX2"}}),
              ElementsAre("MKL_CBWR=AVX2,STRICT", "DNNL_MAX_CPU_ISA=AVX2"));
  EXPECT_THAT(SettingsIn({{"MKL_CBWR", ""}}), ElementsAre("MKL_CBWR="));
}

TEST(NumericSettingsTest, TheCLibrarysTunablesCountOnlyWhereTheyAreTheCpus) {
  EXPECT_THAT(SettingsIn({{"GLIBC_TUNABLES", "glibc.malloc.check=3"}}), IsEmpty());
  EXPECT_THAT(SettingsIn({{"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2"}}),
              ElementsAre("GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2"));
}

TEST(NumericSettingsTest, NoValueBreaksTheClassIntoOtherParts) {
  EXPECT_THAT(SettingsIn({{"MKL_CBWR", "a|b c\nd"}}), ElementsAre("MKL_CBWR=a_b_c_d"));
}

TEST(CpuModelTest, TheMakerIsNamedWhereTheModelDoesNotSayIt) {
  EXPECT_EQ(CpuModelOf("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7763\n"), "AMD EPYC 7763");
  EXPECT_EQ(CpuModelOf("vendor_id\t: GenuineIntel\nmodel name\t: QEMU Virtual CPU version 2.5+\n"),
            "QEMU Virtual CPU version 2.5+ (GenuineIntel)");
  EXPECT_EQ(CpuModelOf("CPU implementer\t: 0x41\n"), "unknown CPU");
  EXPECT_EQ(CpuModelOf(""), "unknown CPU");
}

}  // namespace
}  // namespace lwq::qat
