// SPDX-License-Identifier: Apache-2.0
// How fast a linear is packed, in bytes of its fp16 weights a second, beside a memcpy of those weights in the same run.
// One thread, as an export has.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "common/export/compressed_tensors/packed_linear.h"
#include "common/export/fake_quant/fake_quant_weight.h"
#include "common/export/gguf/ggml_blocks.h"
#include "common/export/gptq/gptq_linear.h"
#include "common/export_format/gguf.h"

namespace lwq::qat {
namespace {

constexpr int64_t kRows = 4096;
constexpr int64_t kColumns = 4096;
constexpr int64_t kGroup = 64;
constexpr int64_t kWeightBytes = kRows * kColumns * 2;

// Bytes below `bound`, of a linear congruential generator.
HostTensor RandomBytes(int64_t rows, int64_t columns, uint32_t bound) {
  std::string bytes(static_cast<size_t>(rows * columns), '\0');
  uint32_t state = 1;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>((state >> 16) % bound);
  }
  return HostTensor{DType::kU8, {rows, columns}, Bytes::FromString(std::move(bytes))};
}

// Symmetric, so that every format holds it.
QuantizedLinear RandomLinear(int bits) {
  constexpr int64_t kGroups = kColumns / kGroup;
  const float scale = 0.0078125f;
  std::string scales(static_cast<size_t>(kRows * kGroups) * sizeof(scale), '\0');
  for (size_t i = 0; i < scales.size(); i += sizeof(scale)) std::memcpy(scales.data() + i, &scale, sizeof(scale));
  const std::string zeros(static_cast<size_t>(kRows * kGroups), static_cast<char>(SymmetricZeroPoint(bits)));
  return QuantizedLinear{.bits = bits,
                         .group_size = kGroup,
                         .out_features = kRows,
                         .in_features = kColumns,
                         .codes = RandomBytes(kRows, kColumns, 1u << bits),
                         .scales = {DType::kF32, {kRows, kGroups}, Bytes::FromString(std::move(scales))},
                         .zeros = {DType::kU8, {kRows, kGroups}, Bytes::FromString(zeros)}};
}

void CopyWeights(benchmark::State& state) {
  const std::string from(kWeightBytes, 'w');
  std::string to(kWeightBytes, '\0');
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * kWeightBytes);
}

template <typename Pack>
void PackLinears(benchmark::State& state, const Pack& pack) {
  const QuantizedLinear linear = RandomLinear(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    auto packed = pack(linear);
    LWQ_CHECK(packed.ok(), packed.status().ToString());
    benchmark::DoNotOptimize(packed);
  }
  state.SetBytesProcessed(state.iterations() * kWeightBytes);
}

void PackGptqTwo(benchmark::State& state) {
  HalfRounding rounding;
  PackLinears(state, [&](const QuantizedLinear& linear) { return PackGptq(linear, "linear", &rounding); });
}
void PackGptqOne(benchmark::State& state) {
  HalfRounding rounding;
  PackLinears(state, [&](const QuantizedLinear& linear) {
    return PackGptq(linear, "linear", &rounding, StoredZeros::kLessOne);
  });
}
void PackCompressedTensors(benchmark::State& state) {
  HalfRounding rounding;
  PackLinears(state, [&](const QuantizedLinear& linear) { return PackLinear(linear, "linear", &rounding); });
}
void PackFakeQuant(benchmark::State& state) {
  DecodeRounding rounding;
  PackLinears(state, [&](const QuantizedLinear& linear) { return DecodeToF16(linear, "linear", &rounding); });
}
// Blocks alone; an export also unpacks them again and compares.
void PackGguf(benchmark::State& state) {
  HalfRounding rounding;
  PackLinears(state, [&](const QuantizedLinear& linear) {
    const GgmlType type =
        GgufTypeOf({linear.out_features, linear.in_features, linear.bits, linear.group_size, ZeroPoints::kSymmetric},
                   GgufFourBits::kExact);
    return PackBlocks(linear, type, "linear", &rounding);
  });
}

#define LWQ_PACK_BENCHMARK(function, name) \
  BENCHMARK(function)->Name(name)->ArgName("bits")->Arg(2)->Arg(3)->Arg(4)->Arg(8)->Unit(benchmark::kMillisecond)
BENCHMARK(CopyWeights)->Name("memcpy")->Unit(benchmark::kMillisecond);
LWQ_PACK_BENCHMARK(PackGptqTwo, "gptq_v2");
LWQ_PACK_BENCHMARK(PackGptqOne, "gptq");
LWQ_PACK_BENCHMARK(PackCompressedTensors, "compressed_tensors");
LWQ_PACK_BENCHMARK(PackFakeQuant, "fake_quant");
LWQ_PACK_BENCHMARK(PackGguf, "gguf");
#undef LWQ_PACK_BENCHMARK

}  // namespace
}  // namespace lwq::qat
