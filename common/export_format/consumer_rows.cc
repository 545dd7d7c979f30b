// SPDX-License-Identifier: Apache-2.0
// The rows of consumers.h. What was seen: exports of a random Llama of two blocks and of SmolLM2-135M, groups of 64, on
// a CPU; codes and zero points compared with what was written.
#include "common/export_format/consumers.h"

namespace lwq {
namespace {

using enum Consumer;
using enum ExportFormat;
using enum Verdict;
using enum Evidence;

constexpr std::string_view kFloat16 = "with dtype=torch.float16 (its default on a CPU, bfloat16, rounds scales)";
constexpr std::string_view kWithGptqModel = "needs optimum and gptqmodel; with dtype=torch.float16";
constexpr std::string_view kNoGemm =
    "its AVX2 library lacks cpu_gemm_wna16 and fails in the first forward; AVX-512 libraries have it";
constexpr std::string_view kNoThreeBits = "Unsupported quantization config: bits=3, sym=True (of 3 bits; likewise 2)";
constexpr std::string_view kNoEightBits = "Marlin does not support weight_bits = uint8b128 (on a CPU)";
constexpr std::string_view kNoWna16 =
    "Failed to find a kernel that can implement the WNA16 linear layer (CPUWNA16 takes uint4, uint4b8)";
constexpr std::string_view kSameTypes = "its types of blocks were run, a symmetric file was not";
constexpr std::string_view kNotGguf = "it reads GGUF files alone";

const std::vector<ConsumerRow>& Rows() {
  static const auto* const kRows = new std::vector<ConsumerRow>{
      // vLLM reads the refusal from the config, before any device is asked.
      {kVllm,
       kGptqV2,
       {2, 3, 4, 8},
       SymRule::kAsymmetric,
       MixRule::kAny,
       kRefused,
       kRan,
       "Unsupported quantization config: bits=4, sym=False (of 4 bits; likewise the others)"},
      {kVllm, kGptqV2, {4}, SymRule::kSymmetric, MixRule::kUniform, kExact, kRan, kNoGemm},
      {kVllm, kGptqV2, {2, 3}, SymRule::kSymmetric, MixRule::kAny, kRefused, kRan, kNoThreeBits},
      {kVllm, kGptqV2, {8}, SymRule::kSymmetric, MixRule::kAny, kRefused, kRan, kNoEightBits},
      {kVllm, kGptq, {4}, SymRule::kSymmetric, MixRule::kUniform, kExact, kRan, kNoGemm},
      {kVllm, kGptq, {2, 3}, SymRule::kSymmetric, MixRule::kAny, kRefused, kRan, kNoThreeBits},
      {kVllm, kGptq, {8}, SymRule::kSymmetric, MixRule::kAny, kRefused, kRan, kNoEightBits},
      {kVllm,
       kCompressedTensors,
       {4},
       SymRule::kAny,
       MixRule::kAny,
       kExact,
       kRan,
       "widths of linears are multiples of 32; its AVX2 library lacks cpu_gemm_wna16"},
      {kVllm, kCompressedTensors, {2, 3, 8}, SymRule::kAny, MixRule::kAny, kRefused, kRan, kNoWna16},
      {kVllm, kCompressedTensors, {5, 6}, SymRule::kAny, MixRule::kAny, kRefused, kRead, kNoWna16},
      {kVllm, kFakeQuant, {2, 3, 4, 5, 6, 8}, SymRule::kAny, MixRule::kAny, kRounded, kRan, "plain fp16"},
      {kVllm, kGguf, {2, 3, 4, 5, 6, 8}, SymRule::kAny, MixRule::kAny, kRefused, kRead, "no reader of GGUF of its own"},
      {kVllm,
       kGgufQ41,
       {2, 3, 4, 5, 6, 8},
       SymRule::kAny,
       MixRule::kAny,
       kRefused,
       kRead,
       "no reader of GGUF of its own"},
      {kGptqModel, kGptqV2, {2, 3, 4, 8}, SymRule::kAny, MixRule::kAny, kExact, kRan, kFloat16},
      {kGptqModel, kGptq, {2, 3, 4, 8}, SymRule::kSymmetric, MixRule::kUniform, kExact, kRan, kFloat16},
      {kLlamaCpp, kGptqV2, {2, 3, 4, 8}, SymRule::kAny, MixRule::kAny, kRefused, kRead, kNotGguf},
      {kLlamaCpp, kGptq, {2, 3, 4, 8}, SymRule::kSymmetric, MixRule::kAny, kRefused, kRead, kNotGguf},
      {kLlamaCpp, kCompressedTensors, {2, 3, 4, 5, 6, 8}, SymRule::kAny, MixRule::kAny, kRefused, kRead, kNotGguf},
      {kLlamaCpp, kFakeQuant, {2, 3, 4, 5, 6, 8}, SymRule::kAny, MixRule::kAny, kRefused, kRead, kNotGguf},
      {kLlamaCpp,
       kGguf,
       {2, 3, 4, 5, 6},
       SymRule::kAsymmetric,
       MixRule::kAny,
       kExact,
       kRan,
       "multiplied with activations rounded to 8 bits"},
      {kLlamaCpp, kGguf, {2, 3, 4, 5, 6}, SymRule::kSymmetric, MixRule::kAny, kExact, kRead, kSameTypes},
      {kLlamaCpp, kGguf, {8}, SymRule::kSymmetric, MixRule::kAny, kExact, kRead, "Q8_0; a file of 8 bits was not run"},
      {kLlamaCpp,
       kGgufQ41,
       {2, 3, 5, 6},
       SymRule::kAsymmetric,
       MixRule::kAny,
       kExact,
       kRan,
       "multiplied with activations rounded to 8 bits"},
      {kLlamaCpp, kGgufQ41, {2, 3, 4, 5, 6}, SymRule::kSymmetric, MixRule::kAny, kExact, kRead, kSameTypes},
      {kLlamaCpp, kGgufQ41, {4}, SymRule::kAsymmetric, MixRule::kAny, kRounded, kRan, "Q4_1: the offset is fp16"},
      {kLlamaCpp,
       kGgufQ41,
       {8},
       SymRule::kSymmetric,
       MixRule::kAny,
       kExact,
       kRead,
       "Q8_0; a file of 8 bits was not run"},
      {kTransformers, kGptqV2, {2, 3, 4, 8}, SymRule::kAny, MixRule::kUniform, kExact, kRan, kWithGptqModel},
      {kTransformers, kGptqV2, {2, 3, 4, 8}, SymRule::kAny, MixRule::kMixed, kExact, kRead, kWithGptqModel},
      {kTransformers,
       kCompressedTensors,
       {2, 3, 4, 8},
       SymRule::kAny,
       MixRule::kUniform,
       kRounded,
       kRan,
       "with dequantize=True, each weight rounded to fp16"},
      {kTransformers,
       kCompressedTensors,
       {2, 3, 4, 8},
       SymRule::kSymmetric,
       MixRule::kMixed,
       kWrong,
       kRan,
       "all layers are unpacked by one group's scheme (seen with 4 and 8 bits)"},
      {kTransformers,
       kCompressedTensors,
       {2, 3, 4, 8},
       SymRule::kAsymmetric,
       MixRule::kMixed,
       kRefused,
       kRan,
       "RuntimeError about CONVERSION: all layers are unpacked by one group's scheme (seen with 4 and 2 bits, and with "
       "groups of 64 and 32)"},
      {kTransformers, kFakeQuant, {2, 3, 4, 5, 6, 8}, SymRule::kAny, MixRule::kAny, kRounded, kRan, "plain fp16"},
      {kAutoRound,
       kGptqV2,
       {2, 3, 4, 8},
       SymRule::kAny,
       MixRule::kAny,
       kRefused,
       kRan,
       "Only supports gptqv1 (because of meta, without which it takes each zero point for one more than it is)"},
      {kAutoRound,
       kGptq,
       {4, 8},
       SymRule::kSymmetric,
       MixRule::kUniform,
       kExact,
       kRan,
       "its own kernels on a CPU; quantization_config is without meta, with which it refuses version 1"},
      {kAutoRound,
       kCompressedTensors,
       {2, 3, 4, 8},
       SymRule::kAny,
       MixRule::kAny,
       kRefused,
       kRan,
       "Failed to convert to auto_round format. Only gptqv1, awq, and auto-round formats are supported."},
  };
  return *kRows;
}

}  // namespace

std::span<const ConsumerRow> ConsumerRows() {
  return Rows();
}

}  // namespace lwq
