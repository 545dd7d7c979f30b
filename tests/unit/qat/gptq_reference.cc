// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/qat/gptq_reference.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lwq::qat {
namespace {

size_t Size(int64_t count) {
  return static_cast<size_t>(count);
}

// By Gauss and Jordan; of a positive definite matrix, which needs no pivots.
Matrix Inverse(Matrix a) {
  const size_t n = a.size();
  Matrix inverse(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i) inverse[i][i] = 1;
  for (size_t i = 0; i < n; ++i) {
    const double pivot = a[i][i];
    for (size_t j = 0; j < n; ++j) a[i][j] /= pivot, inverse[i][j] /= pivot;
    for (size_t k = 0; k < n; ++k) {
      const double factor = a[k][i];
      if (k == i || factor == 0) continue;
      for (size_t j = 0; j < n; ++j) a[k][j] -= factor * a[i][j], inverse[k][j] -= factor * inverse[i][j];
    }
  }
  return inverse;
}

Matrix Damped(const Matrix& hessian, double damp_percent) {
  double sum = 0;
  int live = 0;
  for (size_t i = 0; i < hessian.size(); ++i) {
    sum += hessian[i][i];
    live += hessian[i][i] != 0 ? 1 : 0;
  }
  const double mean = live == 0 ? 1 : sum / live;
  Matrix damped = hessian;
  for (size_t i = 0; i < hessian.size(); ++i) damped[i][i] += hessian[i][i] == 0 ? mean : damp_percent * mean;
  return damped;
}

struct Quantizer {
  double scale = 1;
  double zero = 0;
};

// Round-to-nearest's: the range with 0 in it, in float32, the scale rounded to fp16.
Quantizer QuantizerOf(const std::vector<double>& group, int bits) {
  const auto most = static_cast<float>((1 << bits) - 1);
  float low = 0, high = 0;
  for (const double weight : group) {
    low = std::min(low, static_cast<float>(weight));
    high = std::max(high, static_cast<float>(weight));
  }
  const float scale = std::clamp((high - low) / most, 0x1p-24F, 1e4F);
  return {static_cast<float>(c10::Half(scale)), std::clamp(std::nearbyint(-low / scale), 0.0F, most)};
}

// One output's weights in the order in which they are rounded.
class Row {
 public:
  Row(std::vector<double> weights, Matrix inverse, std::vector<size_t> order, const GptqReferenceOptions& options)
      : weights_(std::move(weights)), inverse_(std::move(inverse)), order_(std::move(order)), options_(options) {}

  void Round(GptqReference& result, size_t output) {
    const size_t in = weights_.size(), group_size = Size(options_.group_size);
    std::vector<Quantizer> quantizers(in / group_size);
    for (size_t g = 0; options_.desc_act && g < quantizers.size(); ++g) quantizers[g] = OfGroup(g);
    for (const size_t column : order_) {
      const size_t group = column / group_size;
      if (!options_.desc_act && column % group_size == 0) quantizers[group] = OfGroup(group);
      const Quantizer& quantizer = quantizers[group];
      const double most = (1 << options_.bits) - 1;
      const double code = std::clamp(std::nearbyint(weights_[column] / quantizer.scale) + quantizer.zero, 0.0, most);
      const double served = (code - quantizer.zero) * quantizer.scale;
      result.codes[output][column] = static_cast<int>(code);
      result.served[output][column] = served;
      result.scales[output][group] = quantizer.scale;
      result.zeros[output][group] = static_cast<int>(quantizer.zero);
      MakeUpFor(column, weights_[column] - served);
    }
  }

 private:
  Quantizer OfGroup(size_t group) const {
    const auto begin = weights_.begin() + static_cast<int64_t>(group) * options_.group_size;
    return QuantizerOf({begin, begin + options_.group_size}, options_.bits);
  }

  void MakeUpFor(size_t column, double error) {
    const double pivot = inverse_[column][column];
    const std::vector<double> row = inverse_[column];
    for (size_t j = 0; j < weights_.size(); ++j) weights_[j] -= error / pivot * row[j];
    for (size_t i = 0; i < weights_.size(); ++i) {
      const double factor = inverse_[i][column] / pivot;
      for (size_t j = 0; j < weights_.size(); ++j) inverse_[i][j] -= factor * row[j];
    }
  }

  std::vector<double> weights_;
  Matrix inverse_;
  std::vector<size_t> order_;
  const GptqReferenceOptions& options_;
};

}  // namespace

GptqReference RoundAsThePaperSays(const Matrix& weight, const Matrix& hessian, const GptqReferenceOptions& options) {
  const size_t out = weight.size(), in = weight[0].size(), groups = in / Size(options.group_size);
  std::vector<size_t> order(in);
  std::iota(order.begin(), order.end(), 0);
  if (options.desc_act) {
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return hessian[a][a] > hessian[b][b]; });
  }
  const Matrix inverse = Inverse(Damped(hessian, options.damp_percent));
  GptqReference result{.codes = std::vector<std::vector<int>>(out, std::vector<int>(in)),
                       .scales = Matrix(out, std::vector<double>(groups)),
                       .zeros = std::vector<std::vector<int>>(out, std::vector<int>(groups)),
                       .served = Matrix(out, std::vector<double>(in))};
  for (size_t o = 0; o < out; ++o) Row(weight[o], inverse, order, options).Round(result, o);
  return result;
}

double WeightedError(const Matrix& weight, const Matrix& served, const Matrix& hessian) {
  double error = 0;
  for (size_t o = 0; o < weight.size(); ++o) {
    for (size_t i = 0; i < hessian.size(); ++i) {
      for (size_t j = 0; j < hessian.size(); ++j) {
        error += (weight[o][i] - served[o][i]) * hessian[i][j] * (weight[o][j] - served[o][j]);
      }
    }
  }
  return error;
}

}  // namespace lwq::qat
