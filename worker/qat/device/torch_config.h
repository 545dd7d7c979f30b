// SPDX-License-Identifier: Apache-2.0
// What the loaded LibTorch says of itself (at::show_config), and which settings of the environment change bits.
//
// The header's TORCH_VERSION is that of the build; a class of numerics needs what is loaded. The text has had the same
// lines in 1.13 and in 2.15, whether LibTorch was built with MKL or without. Free of LibTorch; pure; thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lwq::qat {

// "" for what the text does not name.
struct TorchConfig {
  std::string torch_version;   // "2.15.0"
  std::string capability;      // of LibTorch's own kernels: "AVX512", "AVX2", "DEFAULT"
  std::string mkl_version;     // "2024.2"
  std::string onednn_version;  // "3.13.3"
};
TorchConfig ParseTorchConfig(std::string_view text);

// "NAME=value" for each variable that is set and chooses between kernels of different bits where no other part of the
// class tells it: MKL's, oneDNN's and the C library's (whose exp and log differ with and without fused multiply-add).
// Characters that a class cannot hold are "_". `lookup` gives a variable's value, nullptr where it is not set.
std::vector<std::string> NumericSettings(const std::function<const char*(const char*)>& lookup);

// "AMD EPYC 7763 64-Core Processor" of a /proc/cpuinfo; the maker in parentheses where the name does not say it
// ("QEMU Virtual CPU version 2.5+ (GenuineIntel)"): MKL chooses its kernels by it. "unknown CPU" without a name.
std::string CpuModelOf(std::string_view cpuinfo);

}  // namespace lwq::qat
