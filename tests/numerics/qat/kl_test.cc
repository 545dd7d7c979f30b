// SPDX-License-Identifier: Apache-2.0
// KL divergence and top-1 agreement of coarser models with the fixture model, against transformers 5.23.0
// (scripts/make_kl_golden).
#include <cmath>
#include <cstring>

#include "tests/numerics/qat/reference_model.h"
#include "worker/qat/api/divergence.h"

namespace lwq::qat {
namespace {

const char kFixtureModel[] = LWQ_SOURCE_DIR "/tests/fixtures/model";
const char kKlGolden[] = LWQ_SOURCE_DIR "/tests/numerics/golden/kl/fixture.json";

// The linears' fp16 weights cut to the bits of the mask.
BlockState WithBitsCleared(BlockState block, uint16_t mask) {
  for (auto& [kind, weight] : block.linears) {
    auto& host = std::get<HostTensor>(weight);
    LWQ_CHECK(host.dtype == DType::kF16, "the fixture's weights are fp16");
    std::string bytes(host.bytes.view());
    for (size_t at = 0; at < bytes.size(); at += sizeof(uint16_t)) {
      uint16_t half = 0;
      std::memcpy(&half, bytes.data() + at, sizeof(half));
      half = static_cast<uint16_t>(half & mask);
      std::memcpy(bytes.data() + at, &half, sizeof(half));
    }
    host.bytes = Bytes::FromString(std::move(bytes));
  }
  return block;
}

class KlTest : public ::testing::Test {
 protected:
  static MemorySamples Windows(const Json& golden) {
    std::vector<int32_t> ids;
    for (const Json& window : golden["windows"]) {
      for (const Json& id : window) ids.push_back(id.get<int32_t>());
    }
    return CutWindows(ids, golden["seqlen"], 0);
  }
  ComparedWindows Compare(uint16_t mask, MemorySamples& windows) {
    PerplexityOptions options;
    options.micro_batch = 4;
    options.scratch_directory = ::testing::TempDir();
    const CancelToken cancel;
    MemorySamples hidden(DType::kF32, {windows.sample_shape()[0], model_.config.hidden_size});
    const auto as_it_is = [this](int64_t k) -> StatusOr<BlockState> { return model_.blocks[static_cast<size_t>(k)]; };
    const auto losses =
        MeasureReference(model_.config, model_.head, as_it_is, windows, hidden, options, nullptr, cancel);
    LWQ_CHECK(losses.ok(), losses.status().ToString());
    const auto cut = [&](int64_t k) -> StatusOr<BlockState> {
      return WithBitsCleared(model_.blocks[static_cast<size_t>(k)], mask);
    };
    auto compared = CompareWithReference(model_.config, model_.head, cut, windows, hidden, options, nullptr, cancel);
    LWQ_CHECK(compared.ok(), compared.status().ToString());
    return *std::move(compared);
  }

  ReferenceModel model_ = LoadModelDirectory(kFixtureModel);
};

TEST_F(KlTest, DivergencesAndAgreementsOfEveryWindowAreThoseOfTransformers) {
  const Json golden = ReadJson(kKlGolden);
  MemorySamples windows = Windows(golden);
  ASSERT_EQ(windows.samples(), 10);
  for (const auto& [name, model] : golden["models"].items()) {
    const ComparedWindows compared = Compare(model["mask"].get<uint16_t>(), windows);
    ASSERT_EQ(compared.divergences.size(), model["windows"].size());
    for (size_t i = 0; i < compared.divergences.size(); ++i) {
      const Json& wanted = model["windows"][i];
      EXPECT_NEAR(compared.divergences[i].sum, wanted["sum"].get<double>(), 1e-3 * wanted["sum"].get<double>())
          << name << " window " << i;
      EXPECT_NEAR(compared.divergences[i].square_sum, wanted["square_sum"].get<double>(),
                  2e-3 * wanted["square_sum"].get<double>())
          << name << " window " << i;
      EXPECT_EQ(compared.divergences[i].agreements, wanted["agreements"].get<int64_t>()) << name << " window " << i;
    }
  }
}

TEST_F(KlTest, AModelWithAllItsBitsIsTheReference) {
  MemorySamples windows = Windows(ReadJson(kKlGolden));
  for (const WindowDivergence& window : Compare(0xFFFF, windows).divergences) {
    EXPECT_EQ(window, (WindowDivergence{0, 0, windows.sample_shape()[0] - 1}));
  }
}

}  // namespace
}  // namespace lwq::qat
