// SPDX-License-Identifier: Apache-2.0
#include "worker/qat/device/torch_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace lwq::qat {
namespace {

// Of the environment; the rest of what is set shows elsewhere: OPENBLAS_CORETYPE in the core's name,
// ATEN_CPU_CAPABILITY in the capability.
constexpr const char* kSettings[] = {"MKL_CBWR",
                                     "MKL_ENABLE_INSTRUCTIONS",
                                     "ONEDNN_MAX_CPU_ISA",
                                     "DNNL_MAX_CPU_ISA",
                                     "ONEDNN_DEFAULT_FPMATH_MODE",
                                     "DNNL_DEFAULT_FPMATH_MODE",
                                     "CUBLAS_WORKSPACE_CONFIG"};
constexpr const char* kLibcTunables = "GLIBC_TUNABLES";
// Only these of the C library's tunables choose other kernels; those of malloc are common and change no bit.
constexpr std::string_view kCpuTunables = "glibc.cpu.";
constexpr std::string_view kKeptCharacters = ".,:;+-_=";  // of a setting's value, beside letters and digits

// What stands behind `mark`, up to a character that no version has.
std::string WordBehind(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = text.substr(at + mark.size());
  size_t size = 0;
  while (size < rest.size() && (absl::ascii_isalnum(rest[size]) || rest[size] == '.' || rest[size] == '+')) ++size;
  return std::string(rest.substr(0, size));
}

std::string Plain(std::string_view value) {
  std::string plain;
  for (const char c : value) {
    plain += absl::ascii_isalnum(c) || kKeptCharacters.find(c) != std::string_view::npos ? c : '_';
  }
  return plain;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// The value of the first line "field : value".
std::string_view FieldOf(std::string_view cpuinfo, std::string_view field) {
  while (!cpuinfo.empty()) {
    const size_t end = cpuinfo.find('\n');
    const std::string_view line = cpuinfo.substr(0, end);
    cpuinfo = end == std::string_view::npos ? "" : cpuinfo.substr(end + 1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (Trimmed(line.substr(0, colon)) == field) return Trimmed(line.substr(colon + 1));
  }
  return "";
}

}  // namespace

TorchConfig ParseTorchConfig(std::string_view text) {
  return {.torch_version = WordBehind(text, "TORCH_VERSION="),
          .capability = WordBehind(text, "CPU capability usage: "),
          .mkl_version = WordBehind(text, "Math Kernel Library Version "),
          .onednn_version = WordBehind(text, "MKL-DNN v")};
}

std::vector<std::string> NumericSettings(const std::function<const char*(const char*)>& lookup) {
  std::vector<std::string> settings;
  for (const char* name : kSettings) {
    if (const char* value = lookup(name); value != nullptr) settings.push_back(absl::StrCat(name, "=", Plain(value)));
  }
  if (const char* value = lookup(kLibcTunables);
      value != nullptr && std::string_view(value).find(kCpuTunables) != std::string_view::npos) {
    settings.push_back(absl::StrCat(kLibcTunables, "=", Plain(value)));
  }
  return settings;
}

std::string CpuModelOf(std::string_view cpuinfo) {
  const std::string_view maker = FieldOf(cpuinfo, "vendor_id");
  std::string_view name = FieldOf(cpuinfo, "model name");
  if (name.empty()) name = "unknown CPU";
  std::string_view word = maker;  // "Intel" of GenuineIntel, "AMD" of AuthenticAMD
  for (const std::string_view prefix : {"Genuine", "Authentic"}) {
    if (word.starts_with(prefix)) word.remove_prefix(prefix.size());
  }
  if (name.find(word) != std::string_view::npos) return std::string(name);
  return absl::StrCat(name, " (", maker, ")");
}

}  // namespace lwq::qat
