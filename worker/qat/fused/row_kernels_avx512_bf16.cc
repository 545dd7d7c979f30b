// SPDX-License-Identifier: Apache-2.0
// The kernels of rows for AVX512_BF16, which rounds to bf16 in one instruction (and flushes denormals). Compiled with
// -mavx512bf16 beside the flags of AVX-512; see row_kernels_body.h.
#include "worker/qat/fused/row_kernels_body.h"

namespace lwq::qat {
namespace {

struct Bf16Hardware : Bf16 {
  static void Store(uint16_t* p, __mmask16 mask, F x) {
    _mm256_mask_storeu_epi16(p, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
  static void StoreBoth(uint16_t* p, F x, F y) {
    _mm512_storeu_si512(p, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(y, x)));
  }
};

}  // namespace

namespace internal {
const RowKernels& Avx512Bf16RowKernels() {
  static constexpr RowKernels kKernels = MakeRowKernels<Bf16Hardware>();
  return kKernels;
}
}  // namespace internal

}  // namespace lwq::qat
