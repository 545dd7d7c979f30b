// SPDX-License-Identifier: Apache-2.0
// The quantizer against numbers of EfficientQAT itself (tests/numerics/golden/quantizer/README.md states keys and
// tolerances).
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/nextafter.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/artifact/safetensors.h"
#include "worker/qat/device/host_tensor.h"
#include "worker/qat/quant/fake_quant.h"
#include "worker/qat/quant/quantizer_reference.h"

namespace lwq::qat {
namespace {

constexpr char kFile[] = "quantizer.safetensors";
constexpr double kTermTolerance = 2e-6;

std::string ReferenceFile() {
  const char* directory = std::getenv("LWQ_REFERENCE");
  const std::string path = directory != nullptr ? directory : LWQ_SOURCE_DIR "/../shared/reference";
  return path + "/" + kFile;
}

enum class Path { kReference, kFused };

at::Tensor Forward(Path path, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point, int bits,
                   int64_t group_size) {
  switch (path) {
    case Path::kReference:
      return FakeQuantReference(weight, ClampScaleAsEfficientQat(scale), zero_point, bits, group_size);
    case Path::kFused:
      return FakeQuant(weight, ClampScaleAsEfficientQat(scale), zero_point, bits, group_size, at::kFloat);
  }
  return {};
}

// Every value within one ulp of the expected one.
void ExpectWithinOneUlp(const at::Tensor& got, const at::Tensor& want, const std::string& what) {
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  const at::Tensor below = at::nextafter(want, at::full_like(want, -INFINITY));
  const at::Tensor above = at::nextafter(want, at::full_like(want, INFINITY));
  const int64_t outside = ((got < below) | (got > above)).sum().item<int64_t>();
  EXPECT_EQ(outside, 0) << what << ": values more than one ulp off";
}

class Vectors {
 public:
  explicit Vectors(const std::string& path) : file_(OrThrowFile(path)) {}

  at::Tensor Get(const std::string& key) const {
    StatusOr<HostTensor> host = file_.Get(key);
    EXPECT_TRUE(host.ok()) << host.status();
    return ToTensor(*host, at::kFloat, at::kCPU);
  }
  bool Has(const std::string& key) const { return file_.Contains(key); }

  // One quantizer at one set of parameters: output and gradients. `key` ends in "."; `inputs` names weight and upstream
  // gradient.
  void CheckCase(Path path, const std::string& key, int bits, int64_t group_size, const std::string& weight_key,
                 const std::string& upstream_key) const {
    at::Tensor weight = Get(weight_key).requires_grad_();
    at::Tensor scale = Get(key + "scale").requires_grad_();
    at::Tensor zero_point = Get(key + "zero_point").requires_grad_();
    const at::Tensor upstream = Get(upstream_key);
    const at::Tensor out = Forward(path, weight, scale, zero_point, bits, group_size);
    ExpectWithinOneUlp(out, Get(key + "output"), key + "output");

    const auto gradients = torch::autograd::grad({out}, {weight, scale, zero_point}, {upstream});
    if (Has(key + "grad_weight")) ExpectWithinOneUlp(gradients[0], Get(key + "grad_weight"), key + "grad_weight");
    // The ties come without absterms: Σ|U|·(|q − z| + |w/s|) and Σ|U|·s.
    const at::Tensor s = scale.detach().clamp(kEfficientQatMinScale, kMaxScale);
    const at::Tensor terms = upstream.abs() * (out.detach().abs() + weight.detach().abs());
    const bool is_row = s.size(0) == terms.size(0);
    CheckSum(gradients[1], key, "grad_scale", is_row ? terms.sum(1, true) / s : at::Tensor());
    CheckSum(gradients[2], key, "grad_zero_point", is_row ? upstream.abs().sum(1, true) * s : at::Tensor());
  }

 private:
  static SafetensorsFile OrThrowFile(const std::string& path) {
    StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    if (!file.ok()) throw std::runtime_error(std::string(file.status().message()));
    return *std::move(file);
  }

  void CheckSum(const at::Tensor& got, const std::string& key, const std::string& name,
                const at::Tensor& computed_terms) const {
    const at::Tensor want = Get(key + name);
    const at::Tensor terms = Has(key + name + "_absterms") ? Get(key + name + "_absterms") : computed_terms;
    ASSERT_EQ(terms.sizes(), want.sizes()) << key << name;
    const int64_t outside = ((got - want).abs() > terms * kTermTolerance).sum().item<int64_t>();
    EXPECT_EQ(outside, 0) << key << name;
  }

  SafetensorsFile file_;
};

int CheckAll(const std::string& path) {
  const Vectors vectors(path);
  int cases = 0;
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int64_t group_size : {-1, 32, 64, 128}) {
      const std::string key = absl::StrCat("b", bits, ".g", group_size, ".");
      if (!vectors.Has(key + "init.scale")) continue;
      const QuantizerInit init =
          InitQuantizer(vectors.Get("weight"), bits, group_size, /*range_contains_zero=*/false, kEfficientQatMinScale);
      ExpectWithinOneUlp(init.scale, vectors.Get(key + "init.scale"), key + "init.scale");
      ExpectWithinOneUlp(init.zero_point, vectors.Get(key + "init.zero_point"), key + "init.zero_point");
      for (const Path kind : {Path::kReference, Path::kFused}) {
        vectors.CheckCase(kind, key + "init.", bits, group_size, "weight", "upstream_grad");
        vectors.CheckCase(kind, key + "pert.", bits, group_size, "weight_pert", "upstream_grad");
        ++cases;
      }
    }
    for (const Path kind : {Path::kReference, Path::kFused}) {
      const std::string ties = absl::StrCat("ties.b", bits, ".");
      vectors.CheckCase(kind, ties, bits, -1, ties + "weight", ties + "upstream_grad");
      ++cases;
    }
  }
  return cases;
}

TEST(QuantizerVectors, InitOutputAndGradientsEqualEfficientQatOnTheCommittedSubset) {
  EXPECT_EQ(CheckAll(LWQ_SOURCE_DIR "/tests/numerics/golden/quantizer/quantizer.safetensors"), 2 * (4 * 2 + 6));
}

TEST(QuantizerVectors, InitOutputAndGradientsEqualEfficientQatOnTheFullSet) {
  if (!std::filesystem::exists(ReferenceFile())) {
    GTEST_SKIP() << "no " << kFile << " under LWQ_REFERENCE: the full reference set is not on this machine";
  }
  EXPECT_EQ(CheckAll(ReferenceFile()), 2 * (6 * 4 + 6));
}

}  // namespace
}  // namespace lwq::qat
