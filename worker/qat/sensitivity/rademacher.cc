// SPDX-License-Identifier: Apache-2.0
// Counter-based: word w of a linear is SplitMix64's output number w + 1 from a state that is the seed, the probe, the
// block and the linear (0 q, 1 k, 2 v, 3 o, 4 gate, 5 up, 6 down), each mixed in by one step of the generator. Element
// e, row-major, is bit e mod 64 of word e / 64, counted from the least significant: 1 is +1, 0 is −1.
#include "worker/qat/api/sensitivity.h"

namespace lwq::qat {
namespace {

constexpr uint64_t kIncrement = 0x9e3779b97f4a7c15ull;

// The generator's output function (Steele, Lea, Flood, OOPSLA 2014; Vigna's constants).
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

uint64_t StateOf(std::initializer_list<int64_t> parts) {
  uint64_t state = 0;
  for (const int64_t part : parts) state = Mix((state ^ static_cast<uint64_t>(part)) + kIncrement);
  return state;
}

}  // namespace

StatusOr<HostTensor> RademacherVector(const LlamaConfig& config, int64_t seed, int64_t probe, int64_t block,
                                      LinearKind kind) {
  if (block < 0 || block >= config.num_hidden_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("block ", block, " is outside a model of ", config.num_hidden_layers, " blocks"));
  }
  const LinearShape shape = ShapeOf(config, kind);
  LWQ_ASSIGN_OR_RETURN(const int64_t elements, ElementCount({shape.out_features, shape.in_features}));
  uint64_t state = StateOf({seed, probe, block, static_cast<int64_t>(kind)});
  uint64_t word = 0;
  std::string signs(static_cast<size_t>(elements), '\0');
  for (size_t e = 0; e < signs.size(); ++e) {
    if (e % 64 == 0) word = Mix(state += kIncrement);
    signs[e] = static_cast<char>(((word >> (e % 64)) & 1) != 0 ? 1 : -1);
  }
  return HostTensor{DType::kI8, {shape.out_features, shape.in_features}, Bytes::FromString(std::move(signs))};
}

}  // namespace lwq::qat
