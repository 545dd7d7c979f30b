// SPDX-License-Identifier: Apache-2.0
// Which windows of a token stream are trained on, validated on and evaluated.
//
// A stream of N tokens is cut once, at int(0.9·N): training windows lie wholly before the cut, validation windows
// wholly behind it, so that they never share a token. (EfficientQAT's first validation windows reach back over its cut;
// that is not reproduced. Its training windows are, start for start.)
//
// Starts are drawn by CPython's random, seeded with the run's `seed`, training first.
//
// kIndependent (preset efficientqat): train randint(0, cut − seqlen − 1), validation randint(cut, N − seqlen − 1).
// Windows may overlap their own kind.
//
// kDisjoint (the default preset): uniform over all placements in which no two windows of a kind overlap. For m windows
// m distinct values of [0, region − m·seqlen + m) are drawn by _randbelow, repeats drawn again; the value of rank r
// starts at value + r·(seqlen − 1). Windows keep the order of the draw. Where a region is too short for m disjoint
// windows they are drawn as kIndependent, and `overlapping` says so: a small text then still calibrates.
//
// A region that cannot hold one window is INVALID_ARGUMENT and the message says how many tokens are needed.
//
// Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/status/status.h"

namespace lwq {

enum class WindowMode { kIndependent, kDisjoint };

struct TokenWindows {
  int64_t seqlen = 0;
  std::vector<int64_t> starts;  // in the stream, one a window
  std::vector<int32_t> ids;     // [windows, seqlen]
  bool overlapping = false;     // whether two of these windows share a token of the stream

  int64_t count() const { return static_cast<int64_t>(starts.size()); }
};

struct CalibrationWindows {
  TokenWindows train;
  TokenWindows val;
};

struct WindowOptions {
  int64_t train_size = 128;  // ≥ 1
  int64_t val_size = 16;     // ≥ 0
  int64_t seqlen = 2048;     // ≥ 1
  int64_t seed = 2;
  WindowMode mode = WindowMode::kDisjoint;
};

// Tokens a set of windows may hold in all (8 GiB of int32).
inline constexpr int64_t kMaxWindowTokens = int64_t{1} << 31;

// INVALID_ARGUMENT for sizes out of range and for a stream that is too short.
StatusOr<CalibrationWindows> SampleWindows(std::span<const int32_t> ids, const WindowOptions& options);

// The windows that begin at `starts`; INVALID_ARGUMENT names a start whose window leaves the stream.
StatusOr<TokenWindows> CutWindows(std::span<const int32_t> ids, std::vector<int64_t> starts, int64_t seqlen);

// Perplexity's windows: consecutive, disjoint, the tail dropped. INVALID_ARGUMENT when not even one fits.
StatusOr<TokenWindows> EvalWindows(std::span<const int32_t> ids, int64_t seqlen);

}  // namespace lwq
