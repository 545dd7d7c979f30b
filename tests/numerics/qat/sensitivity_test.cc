// SPDX-License-Identifier: Apache-2.0
// Losses, Fisher, gradient norms and the curvature along every stored probe against PyTorch 1.13.1 on the
// whole model (tests/numerics/README.md), streamed block by block.
#include <cmath>

#include "tests/numerics/qat/reference_model.h"
#include "tests/unit/qat/stream_boundaries.h"
#include "worker/qat/api/sensitivity.h"

namespace lwq::qat {
namespace {

struct Measured {
  ReferenceModel model = LoadReferenceModel("stories260k");
  Json expected = ReadJson(ReferenceDirectory() + "/sensitivity.json");
  SafetensorsFile tensors = OpenSafetensors(ReferenceDirectory() + "/sensitivity.safetensors");
  MemorySamples tokens = TokenWindows(*tensors.Get("input_ids"));
  Boundaries boundaries = StreamBoundaries(model.config, model.head, model.blocks, tokens);
};

class SensitivityTest : public ::testing::Test {
 protected:
  void SetUp() override { LWQ_NEEDS_REFERENCE(); }

  static Measured& All() {
    static Measured* const measured = new Measured;
    return *measured;
  }
  static int64_t Blocks() { return All().model.config.num_hidden_layers; }
  static double Samples() { return static_cast<double>(All().tokens.samples()); }

  // vᵀ(H v) of the mean loss for a stored probe, by block of its scope.
  static std::vector<double> Curvatures(int64_t first_block, int64_t blocks, int64_t probe) {
    const HessianProbe stored{
        first_block, blocks, [&](int64_t block, LinearKind kind) -> StatusOr<HostTensor> {
          const std::string name = "probes." + BlockPrefix(block) + std::string(LinearName(kind)) + ".weight";
          LWQ_ASSIGN_OR_RETURN(const HostTensor all, All().tensors.Get(name));
          const std::vector<int64_t> shape(all.shape.begin() + 1, all.shape.end());
          const size_t bytes = all.bytes.size() / static_cast<size_t>(all.shape[0]);
          return HostTensor{DType::kI8, shape, all.bytes.Slice(static_cast<size_t>(probe) * bytes, bytes)};
        }};
    const HessianInputs inputs{&All().model.head, LoadFrom(All().model.blocks), OpenFrom(All().boundaries.activations),
                               OpenFrom(All().boundaries.gradients), &All().tokens};
    SensitivityOptions options;
    options.scratch_directory = ::testing::TempDir();
    auto sums = HessianCurvatures(All().model.config, stored, inputs, options, nullptr, CancelToken{});
    LWQ_CHECK(sums.ok(), sums.status().ToString());
    for (double& sum : *sums) sum /= Samples();
    return *sums;
  }
  static double Tolerance(int64_t block) {
    return All().expected["tolerance"]["hessian_atol_over_converged_trace"].get<double>() *
           All().expected["hessian"]["converged_trace"][block].get<double>();
  }
};

TEST_F(SensitivityTest, TheLossOfEverySequenceAgrees) {
  const auto wanted = All().expected["loss_per_sequence"].get<std::vector<double>>();
  ASSERT_EQ(All().boundaries.losses.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(All().boundaries.losses[i], wanted[i], 1e-5 * wanted[i]);
}

TEST_F(SensitivityTest, FisherAgreesForEverySequenceAndEveryBlock) {
  const Json& expected = All().expected;
  const double rtol = expected["tolerance"]["fisher_rtol"];
  ASSERT_EQ(static_cast<int64_t>(expected["fisher"].size()), Blocks());
  for (int64_t block = 0; block < Blocks(); ++block) {
    const std::vector<double>& norms = All().boundaries.blocks[block].squared_norms;
    ASSERT_EQ(norms.size(), expected["fisher_per_sequence"].size());
    double sum = 0;
    for (size_t i = 0; i < norms.size(); ++i) {
      const double wanted = expected["fisher_per_sequence"][i][block];
      EXPECT_NEAR(norms[i], wanted, rtol * wanted) << "block " << block << ", sequence " << i;
      sum += norms[i];
    }
    const double wanted = expected["float64"]["fisher"][block];
    EXPECT_NEAR(sum / Samples(), wanted, rtol * wanted) << "block " << block;
  }
}

TEST_F(SensitivityTest, TheNormOfTheSummedGradientAgrees) {
  const Json& expected = All().expected;
  const double rtol = expected["tolerance"]["grad_norm_rtol"];
  for (int64_t block = 0; block < Blocks(); ++block) {
    double squares = 0;
    for (const auto& [kind, gradient] : All().boundaries.blocks[block].sum) {
      for (int64_t i = 0; i < gradient.elements(); ++i) {
        float value = 0;
        std::memcpy(&value, gradient.bytes.data() + i * sizeof(value), sizeof(value));
        squares += static_cast<double>(value) * value;
      }
    }
    const double wanted = expected["float64"]["grad_norm"][block];
    EXPECT_NEAR(std::sqrt(squares) / Samples(), wanted, rtol * wanted) << "block " << block;
  }
}

TEST_F(SensitivityTest, EveryStoredProbeWithinABlockHasTheCurvatureOfTheWholeModelsHessian) {
  const Json& expected = All().expected["hessian"]["per_probe_block_restricted"];
  ASSERT_EQ(expected.size(), 4u);
  for (int64_t probe = 0; probe < 4; ++probe) {
    for (int64_t block = 0; block < Blocks(); ++block) {
      const std::vector<double> found = Curvatures(block, 1, probe);
      ASSERT_EQ(found.size(), 1u);
      EXPECT_NEAR(found[0], expected[probe][block].get<double>(), Tolerance(block))
          << "probe " << probe << ", block " << block;
    }
  }
}

TEST_F(SensitivityTest, EveryStoredProbeOverTheWholeModelHasTheCurvatureOfEveryBlock) {
  const Json& expected = All().expected["hessian"]["per_probe_whole_model_probe"];
  ASSERT_EQ(expected.size(), 4u);
  for (int64_t probe = 0; probe < 4; ++probe) {
    const std::vector<double> found = Curvatures(0, Blocks(), probe);
    ASSERT_EQ(static_cast<int64_t>(found.size()), Blocks());
    for (int64_t block = 0; block < Blocks(); ++block) {
      EXPECT_NEAR(found[block], expected[probe][block].get<double>(), Tolerance(block))
          << "probe " << probe << ", block " << block;
    }
  }
}

}  // namespace
}  // namespace lwq::qat
