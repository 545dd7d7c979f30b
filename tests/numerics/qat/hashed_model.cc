// SPDX-License-Identifier: Apache-2.0
#include "tests/numerics/qat/hashed_model.h"

#include <cstdint>

namespace lwq::qat {
namespace {

// SplitMix64's finalizer.
uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// From −2^15 to 2^15 − 1.
std::vector<int32_t> HashedNumbers(std::string_view name, int64_t count) {
  uint64_t seed = 0xCBF29CE484222325u;  // FNV-1a
  for (const char byte : name) seed = (seed ^ static_cast<uint8_t>(byte)) * 0x100000001B3u;
  std::vector<int32_t> numbers;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t mixed = MixBits(seed + static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u);
    numbers.push_back(static_cast<int32_t>(mixed >> 48) - 32768);
  }
  return numbers;
}

template <typename T>
Bytes BytesOf(const std::vector<T>& values) {
  return Bytes::FromString(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

}  // namespace

HostTensor HashedTensor(std::string_view name, const std::vector<int64_t>& shape) {
  const auto elements = ElementCount(shape);
  LWQ_CHECK(elements.ok(), elements.status().ToString());
  const bool is_norm = name.ends_with("norm.weight");
  const float scale = is_norm ? 0x1p-18f : name == kHeadTensor ? 0x1p-16f : 0x1p-17f;
  std::vector<float> values;
  for (const int32_t number : HashedNumbers(name, *elements)) {
    values.push_back(static_cast<float>(number) * scale + (is_norm ? 1.0f : 0.0f));
  }
  return {DType::kF32, shape, BytesOf(values)};
}

std::map<std::string, HostTensor> HashedTensors(const LlamaConfig& config) {
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, shape] : ExpectedTensors(config)) tensors.emplace(name, HashedTensor(name, shape));
  return tensors;
}

MemorySamples HashedTokens(int64_t windows, int64_t seqlen, int64_t vocab_size) {
  MemorySamples samples(DType::kI32, {seqlen});
  for (int64_t window = 0; window < windows; ++window) {
    std::vector<int32_t> ids;
    for (const int32_t number : HashedNumbers(absl::StrCat("window ", window), seqlen)) {
      const auto id = static_cast<int32_t>(number % vocab_size);
      ids.push_back(id < 0 ? id + static_cast<int32_t>(vocab_size) : id);
    }
    const Status appended = samples.Append({DType::kI32, {1, seqlen}, BytesOf(ids)});
    LWQ_CHECK(appended.ok(), appended.ToString());
  }
  return samples;
}

}  // namespace lwq::qat
