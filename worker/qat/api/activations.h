// SPDX-License-Identifier: Apache-2.0
// What a training does with the activations that backward reads. Free of LibTorch headers.
#pragma once

namespace lwq::qat {

// kKept: from forward to backward, all of them. kRecomputed: forward keeps the residual stream between the halves of
// blocks, and backward computes one half at a time again before it differentiates it. The same operators on tensors of
// the same shapes, so the same bits; it takes a forward pass more, and about half of the activations' memory.
enum class Activations { kKept, kRecomputed };

}  // namespace lwq::qat
