// SPDX-License-Identifier: Apache-2.0
// 16 floats as an array, for CPUs without AVX2: the compiler may use whatever the base architecture has.
#include <cmath>
#include <cstring>

#include "worker/qat/quant/kernels_body.h"

namespace lwq::qat {
namespace {

uint16_t ToBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (x != x) return 0x7FC0;
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float FromBf16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

float RoundHalfEven(float x) {
  constexpr float kAllWhole = 8388608.0f;  // 2^23: from here every float is a whole number
  const float magnitude = std::fabs(x);
  if (!(magnitude < kAllWhole)) return x;
  return std::copysign((magnitude + kAllWhole) - kAllWhole, x);
}

struct ScalarLanes {
  struct F {
    float v[kLanes];
  };
  struct M {
    bool v[kLanes];
  };

  template <typename Make>
  static F Each(Make make) {
    F out;
    for (int64_t i = 0; i < kLanes; ++i) out.v[i] = make(i);
    return out;
  }

  static F Set1(float x) {
    return Each([&](int64_t) { return x; });
  }
  static F Zero() { return Set1(0.0f); }
  static F Load(const float* p) {
    return Each([&](int64_t i) { return p[i]; });
  }
  static F LoadPartial(const float* p, int64_t n) {
    return Each([&](int64_t i) { return i < n ? p[i] : 0.0f; });
  }
  static void Store(float* p, const F& x) { StorePartial(p, kLanes, x); }
  static void StorePartial(float* p, int64_t n, const F& x) {
    for (int64_t i = 0; i < n; ++i) p[i] = x.v[i];
  }
  static void Stream(float* p, const F& x) { Store(p, x); }

  static F LoadBf16(const uint16_t* p) {
    return Each([&](int64_t i) { return FromBf16(p[i]); });
  }
  static F LoadBf16Partial(const uint16_t* p, int64_t n) {
    return Each([&](int64_t i) { return i < n ? FromBf16(p[i]) : 0.0f; });
  }
  static void StoreBf16(uint16_t* p, const F& x, const F& y) {
    StoreBf16Partial(p, kLanes, x);
    StoreBf16Partial(p + kLanes, kLanes, y);
  }
  static void StoreBf16Partial(uint16_t* p, int64_t n, const F& x) {
    for (int64_t i = 0; i < n; ++i) p[i] = ToBf16(x.v[i]);
  }
  static void StreamBf16(uint16_t* p, const F& x, const F& y) { StoreBf16(p, x, y); }

  static F Add(const F& a, const F& b) {
    return Each([&](int64_t i) { return a.v[i] + b.v[i]; });
  }
  static F Sub(const F& a, const F& b) {
    return Each([&](int64_t i) { return a.v[i] - b.v[i]; });
  }
  static F Mul(const F& a, const F& b) {
    return Each([&](int64_t i) { return a.v[i] * b.v[i]; });
  }
  static F Div(const F& a, const F& b) {
    return Each([&](int64_t i) { return a.v[i] / b.v[i]; });
  }
  static F Sqrt(const F& a) {
    return Each([&](int64_t i) { return std::sqrt(a.v[i]); });
  }
  static F MulAdd(const F& a, const F& b, const F& c) {
    return Each([&](int64_t i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
  }
  static F Round(const F& a) {
    return Each([&](int64_t i) { return RoundHalfEven(a.v[i]); });
  }
  static bool AllWithin(const F& a, const F& b, float limit) {
    for (int64_t i = 0; i < kLanes; ++i) {
      if (!(std::fabs(a.v[i]) < limit && std::fabs(b.v[i]) < limit)) return false;
    }
    return true;
  }
  static float Sum(const F& a) {
    float half[kLanes / 2];
    for (int i = 0; i < 8; ++i) half[i] = a.v[i] + a.v[i + 8];
    for (int i = 0; i < 4; ++i) half[i] += half[i + 4];
    return (half[0] + half[2]) + (half[1] + half[3]);
  }
  static F ClampFrom(const F& x, const F& lo, const F& hi) {
    return Each([&](int64_t i) {
      const float raised = x.v[i] < lo.v[i] ? lo.v[i] : x.v[i];
      return raised > hi.v[i] ? hi.v[i] : raised;
    });
  }
  static M Equal(const F& x, const F& y) {
    M out;
    for (int64_t i = 0; i < kLanes; ++i) out.v[i] = x.v[i] == y.v[i];
    return out;
  }
  static F Keep(const M& m, const F& x) {
    return Each([&](int64_t i) { return m.v[i] ? x.v[i] : 0.0f; });
  }
  static F SubWhere(const M& m, const F& x, const F& y) { return Sub(x, Keep(m, y)); }
  static F SubUnless(const M& m, const F& x, const F& y) {
    return Each([&](int64_t i) { return x.v[i] - (m.v[i] ? 0.0f : y.v[i]); });
  }
  static void StreamFence() {}
};

}  // namespace

namespace internal {
const KernelSet& ScalarKernels() {
  static constexpr KernelSet kKernels = MakeKernels<ScalarLanes>();
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
