// SPDX-License-Identifier: Apache-2.0
#include "worker/windows/windows.h"

#include <algorithm>
#include <numeric>

#include "absl/container/flat_hash_set.h"
#include "worker/windows/python_random.h"

namespace lwq {
namespace {

// Python's int(0.9 * n), in double as there.
int64_t TrainTokens(int64_t tokens) {
  return static_cast<int64_t>(static_cast<double>(tokens) * 0.9);
}

bool Fits(int64_t tokens, int64_t seqlen, bool with_validation) {
  const int64_t cut = TrainTokens(tokens);
  return cut >= seqlen + 1 && (!with_validation || tokens - cut >= seqlen + 1);
}

// The fewest tokens from which windows can be drawn. Both regions grow with the stream but for rounding, hence the
// search from below.
int64_t TokensNeeded(int64_t seqlen, bool with_validation) {
  int64_t tokens = with_validation ? 10 * seqlen : seqlen;
  while (!Fits(tokens, seqlen, with_validation)) ++tokens;
  return tokens;
}

std::vector<int64_t> IndependentStarts(int64_t begin, int64_t end, int64_t seqlen, int64_t count,
                                       PythonRandom* random) {
  std::vector<int64_t> starts(static_cast<size_t>(count));
  for (int64_t& start : starts) start = random->RandomInt(begin, end - seqlen - 1);
  return starts;
}

std::vector<int64_t> DisjointStarts(int64_t begin, int64_t end, int64_t seqlen, int64_t count, PythonRandom* random) {
  const uint64_t places = static_cast<uint64_t>(end - begin - count * seqlen + count);
  std::vector<int64_t> drawn;
  absl::flat_hash_set<uint64_t> seen;
  while (static_cast<int64_t>(drawn.size()) < count) {
    const uint64_t place = random->RandomBelow(places);
    if (seen.insert(place).second) drawn.push_back(static_cast<int64_t>(place));
  }
  std::vector<size_t> by_place(drawn.size());
  std::iota(by_place.begin(), by_place.end(), size_t{0});
  std::sort(by_place.begin(), by_place.end(), [&](size_t a, size_t b) { return drawn[a] < drawn[b]; });
  for (size_t rank = 0; rank < by_place.size(); ++rank) {
    drawn[by_place[rank]] += begin + static_cast<int64_t>(rank) * (seqlen - 1);
  }
  return drawn;
}

std::vector<int64_t> DrawStarts(int64_t begin, int64_t end, int64_t count, const WindowOptions& options,
                                PythonRandom* random) {
  switch (options.mode) {
    case WindowMode::kIndependent:
      break;
    case WindowMode::kDisjoint:
      if (count * options.seqlen <= end - begin) return DisjointStarts(begin, end, options.seqlen, count, random);
      break;
  }
  return IndependentStarts(begin, end, options.seqlen, count, random);
}

Status CheckSize(std::string_view name, int64_t value, int64_t minimum, int64_t seqlen) {
  if (value < minimum)
    return absl::InvalidArgumentError(absl::StrCat(name, " must be at least ", minimum, ", not ", value));
  if (value > kMaxWindowTokens / seqlen) {
    return absl::InvalidArgumentError(absl::StrCat(name, " ", value, " × ", seqlen, " tokens is more than the ",
                                                   kMaxWindowTokens, " tokens a set of windows may hold"));
  }
  return absl::OkStatus();
}

bool Overlap(std::vector<int64_t> starts, int64_t seqlen) {
  std::sort(starts.begin(), starts.end());
  for (size_t i = 1; i < starts.size(); ++i) {
    if (starts[i] - starts[i - 1] < seqlen) return true;
  }
  return false;
}

}  // namespace

StatusOr<CalibrationWindows> SampleWindows(std::span<const int32_t> ids, const WindowOptions& options) {
  if (options.seqlen < 1 || options.seqlen > kMaxWindowTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("training_seqlen must be between 1 and ", kMaxWindowTokens, ", not ", options.seqlen));
  }
  LWQ_RETURN_IF_ERROR(CheckSize("train_size", options.train_size, 1, options.seqlen));
  LWQ_RETURN_IF_ERROR(CheckSize("val_size", options.val_size, 0, options.seqlen));
  const int64_t tokens = static_cast<int64_t>(ids.size());
  const bool with_validation = options.val_size > 0;
  if (!Fits(tokens, options.seqlen, with_validation)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the calibration text has ", tokens, " tokens, but windows of ", options.seqlen, " tokens need ",
        TokensNeeded(options.seqlen, with_validation), with_validation ? " (the last 10 % are for validation)" : "",
        "; use a longer text or a shorter training_seqlen"));
  }
  const int64_t cut = TrainTokens(tokens);
  PythonRandom random(options.seed);
  CalibrationWindows windows;
  std::vector<int64_t> train = DrawStarts(0, cut, options.train_size, options, &random);
  LWQ_ASSIGN_OR_RETURN(windows.train, CutWindows(ids, std::move(train), options.seqlen));
  std::vector<int64_t> val;
  if (with_validation) val = DrawStarts(cut, tokens, options.val_size, options, &random);
  LWQ_ASSIGN_OR_RETURN(windows.val, CutWindows(ids, std::move(val), options.seqlen));
  return windows;
}

StatusOr<TokenWindows> CutWindows(std::span<const int32_t> ids, std::vector<int64_t> starts, int64_t seqlen) {
  const int64_t tokens = static_cast<int64_t>(ids.size());
  if (seqlen < 1) return absl::InvalidArgumentError(absl::StrCat("a window must have at least 1 token, not ", seqlen));
  LWQ_RETURN_IF_ERROR(CheckSize("a set of", static_cast<int64_t>(starts.size()), 0, seqlen));
  TokenWindows windows;
  windows.seqlen = seqlen;
  windows.ids.reserve(starts.size() * static_cast<size_t>(seqlen));
  for (const int64_t start : starts) {
    if (start < 0 || start > tokens || tokens - start < seqlen) {
      return absl::InvalidArgumentError(
          absl::StrCat("the window of ", seqlen, " tokens at ", start, " leaves the stream of ", tokens, " tokens"));
    }
    const auto window = ids.subspan(static_cast<size_t>(start), static_cast<size_t>(seqlen));
    windows.ids.insert(windows.ids.end(), window.begin(), window.end());
  }
  windows.overlapping = Overlap(starts, seqlen);
  windows.starts = std::move(starts);
  return windows;
}

StatusOr<TokenWindows> EvalWindows(std::span<const int32_t> ids, int64_t seqlen) {
  if (seqlen < 1) return absl::InvalidArgumentError(absl::StrCat("ppl_seqlen must be at least 1, not ", seqlen));
  const int64_t tokens = static_cast<int64_t>(ids.size());
  const int64_t count = tokens / seqlen;
  if (count == 0) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", tokens, " tokens, fewer than one window of ",
                                                   seqlen, "; use a longer text or a shorter ppl_seqlen"));
  }
  std::vector<int64_t> starts(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) starts[static_cast<size_t>(i)] = i * seqlen;
  return CutWindows(ids, std::move(starts), seqlen);
}

}  // namespace lwq
