// SPDX-License-Identifier: Apache-2.0
// The kernels for AVX-512 with AVX512_BF16, which rounds 32 floats to bf16 in one instruction. Compiled with
// -mavx512bf16 beside the flags of avx512_lanes.h.
#include "worker/qat/quant/avx512_lanes.h"
#include "worker/qat/quant/kernels_body.h"

namespace lwq::qat {
namespace {

struct Avx512Bf16Lanes : Avx512Lanes {
  // The instruction flushes denormals: a quantized weight is none, but a whole number of steps of at least 6e-5.
  static __m512i Narrow(F x, F y) { return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(y, x)); }
  static void StoreBf16(uint16_t* p, F x, F y) { _mm512_storeu_si512(p, Narrow(x, y)); }
  static void StreamBf16(uint16_t* p, F x, F y) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), Narrow(x, y)); }
};

}  // namespace

namespace internal {
const KernelSet& Avx512Bf16Kernels() {
  static constexpr KernelSet kKernels = MakeKernels<Avx512Bf16Lanes>();
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
