// SPDX-License-Identifier: Apache-2.0
// The search of scales beside a plain computation in float64 (scripts/make_prepare_golden).
#include <cmath>
#include <cstring>

#include "common/json/json.h"
#include "gtest/gtest.h"
#include "tests/numerics/qat/hashed_model.h"
#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/prepare.h"

namespace lwq::qat {
namespace {

LlamaConfig SmallConfig() {
  LlamaConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 64;
  config.rms_norm_eps = 1e-5;
  return config;
}

BlockState FirstBlock(const LlamaConfig& config) {
  BlockState block;
  for (const LinearKind kind : kAllLinears) {
    const LinearShape shape = ShapeOf(config, kind);
    block.linears[kind] = HashedTensor(absl::StrCat(BlockPrefix(0), LinearName(kind), ".weight"),
                                       {shape.out_features, shape.in_features});
  }
  block.input_norm = HashedTensor(absl::StrCat(BlockPrefix(0), kInputNorm), {config.hidden_size});
  block.post_attention_norm = HashedTensor(absl::StrCat(BlockPrefix(0), kPostAttentionNorm), {config.hidden_size});
  return block;
}

std::vector<float> Floats(const HostTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  std::memcpy(values.data(), tensor.bytes.view().data(), values.size() * sizeof(float));
  return values;
}

// Hashed numbers within ±1/4, channel c times 2^(7c mod 5).
MemorySamples Activations(const LlamaConfig& config, int64_t samples, int64_t seqlen) {
  const int64_t hidden = config.hidden_size;
  std::vector<float> values = Floats(HashedTensor("activations", {samples, seqlen, hidden}));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t channel = static_cast<int64_t>(i) % hidden;
    values[i] = std::ldexp(values[i], static_cast<int>(7 * channel % 5));
  }
  MemorySamples set(DType::kF32, {seqlen, hidden});
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  const Status appended = set.Append({DType::kF32, {samples, seqlen, hidden}, Bytes::FromString(bytes)});
  LWQ_CHECK(appended.ok(), appended.ToString());
  return set;
}

TEST(PrepareGoldenTest, ScalesExponentsAndErrorsAreThoseOfAPlainComputation) {
  ASSERT_TRUE(InitRuntime({}).ok());
  const Json golden = ReadJson(LWQ_SOURCE_DIR "/tests/numerics/golden/prepare/small_block.json");
  const LlamaConfig config = SmallConfig();
  MemorySamples activations = Activations(config, 3, 6);
  const ScaleSearchOptions options{.bits = 3, .group_size = 8, .steps = 20, .error_samples = 2};
  const StatusOr<ScaleSearch> search =
      SearchScales(config, FirstBlock(config), activations, options, nullptr, CancelToken{});
  ASSERT_TRUE(search.ok()) << search.status();
  for (const ScaledSource source : kScaledSources) {
    const std::string name(ScaledSourceName(source));
    const Json& expected = golden.at(name);
    const SourceScales& found = search->found[static_cast<size_t>(source)];
    EXPECT_DOUBLE_EQ(found.exponent, expected["exponent"].get<double>()) << name;
    EXPECT_NEAR(found.error, expected["error"].get<double>(), 1e-5 * found.error) << name;
    EXPECT_NEAR(found.error_as_is, expected["error_as_is"].get<double>(), 1e-5 * found.error_as_is) << name;
    const std::vector<float> scales = Floats(search->scales[static_cast<size_t>(source)]);
    ASSERT_EQ(scales.size(), expected["scales"].size()) << name;
    for (size_t i = 0; i < scales.size(); ++i) {
      EXPECT_NEAR(scales[i], expected["scales"][i].get<double>(), 1e-6 * scales[i]) << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace lwq::qat
