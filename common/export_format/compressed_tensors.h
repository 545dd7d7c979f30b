// SPDX-License-Identifier: Apache-2.0
// The layout "pack-quantized" of compressed-tensors for a quantized linear.
//
// For in_features K, out_features N, b bits, G = ceil(K / group_size) groups:
//   weight_packed     I32 [N, ceil(K·b/32)]  codes, packed along K
//   weight_scale      F16 [N, G]
//   weight_zero_point I32 [ceil(N·b/32), G]  zero points, packed along N; absent where quantization is symmetric, all
//                                            zero points being 2^(b−1)
//   weight_shape      I64 [2] = N, K; in the file, but no stored bits
// Codes and zero points are signed there, and stored with 2^(b−1) added: so what is packed are our unsigned ones.
// Source: compressed-tensors 0.20.0, which packs every width as one dense stream. Releases before June 2026 padded
// words of 3, 5 and 6 bits and do not read these. Pure; thread-safe.
#pragma once

#include <string_view>

namespace lwq {

inline constexpr std::string_view kPackedWeight = ".weight_packed";
inline constexpr std::string_view kPackedScale = ".weight_scale";
inline constexpr std::string_view kPackedZeroPoint = ".weight_zero_point";
inline constexpr std::string_view kPackedShape = ".weight_shape";

}  // namespace lwq
