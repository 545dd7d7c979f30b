// SPDX-License-Identifier: Apache-2.0
// Successive halving: which runs of a sweep are trained on, from what they measured after a few blocks.
//
// A rung is a number of trained blocks: min_blocks, min_blocks·eta, min_blocks·eta², … below all blocks, and all of
// them. Every run is trained to rung 0, and its metric there is recorded; the best 1/eta of a rung are promoted to the
// next.
//
//   kSynchronous   once every run of a rung is recorded, its best ⌊n/eta⌋ are promoted, the others stopped
//                  (K. Jamieson, A. Talwalkar, AISTATS 2016). Decisions do not depend on the order of results.
//   kAsynchronous  after every result, the best ⌊n/eta⌋ of the n recorded so far at its rung are promoted, where they
//   were not
//                  yet (ASHA: L. Li et al., arXiv:1810.05934). No run waits for another. A run that is stopped keeps
//                  its rung, and later results may promote it after all.
//
// Where every run is recorded, none goes on and none got to the last rung (a rung has fewer than eta runs, or all that
// were promoted failed), the best run of the highest rung that has one left is promoted: a sweep ends with a run that
// is trained through, if any can be. Lower is better; equal values go by the lower run. What is not finite counts as
// worst and is never promoted: record NaN for a run that failed, diverged or was cancelled.
//
// Decisions are a function of the rule and the results in the order in which they were recorded, and a decision to
// promote is never taken back: replaying a journal gives the state that was lost. Pure; thread-safety: values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/status/status.h"

namespace lwq::search {

enum class HalvingOrder { kSynchronous, kAsynchronous };

struct HalvingRule {
  HalvingOrder order = HalvingOrder::kSynchronous;
  int64_t runs = 0;        // of the sweep, those not yet begun included
  int64_t min_blocks = 1;  // of rung 0
  int64_t blocks = 0;      // of the model: the last rung
  int64_t eta = 3;
  friend bool operator==(const HalvingRule&, const HalvingRule&) = default;
};

// INVALID_ARGUMENT, one line, where a number is out of its range: runs, min_blocks >= 1; blocks >= min_blocks; eta
// >= 2.
Status CheckHalving(const HalvingRule& rule);

// Trained blocks at each rung, strictly rising; the last is all of them. Requires a checked rule.
std::vector<int64_t> RungBlocks(const HalvingRule& rule);

struct RungResult {
  int64_t run = 0;   // 0 … runs − 1
  int64_t rung = 0;  // index into RungBlocks
  double value = 0;  // lower is better; not finite: the worst
  friend bool operator==(const RungResult&, const RungResult&) = default;
};

enum class HalvingDecision {
  kPromote,  // train on to `rung`, to which it was promoted; so is every run to rung 0 at first
  kWait,     // recorded at `rung`, others are not; synchronous alone
  kStop,     // recorded at `rung`, not promoted; it keeps what it has trained
  kFinish,   // recorded at the last rung
};

struct HalvingPlace {
  HalvingDecision decision = HalvingDecision::kPromote;
  int64_t rung = 0;
  friend bool operator==(const HalvingPlace&, const HalvingPlace&) = default;
};

struct Promotion {
  int64_t run = 0;
  int64_t rung = 0;  // to which
  friend bool operator==(const Promotion&, const Promotion&) = default;
};

class HalvingSweep {
 public:
  // Requires a checked rule.
  explicit HalvingSweep(const HalvingRule& rule);

  // Records a result and returns what follows from it, by rising run; asynchronously one at most. INVALID_ARGUMENT,
  // and nothing changed, where the run or rung does not exist, the run is not at this rung, or was recorded there
  // already.
  StatusOr<std::vector<Promotion>> Record(const RungResult& result);

  HalvingPlace PlaceOf(int64_t run) const;  // requires 0 <= run < runs
  // Nothing is promoted any more: no run goes on to be recorded.
  bool ended() const { return going_on_ == 0; }
  // Whether the run is stopped and a result that may still come could promote it. Requires as PlaceOf.
  bool MayYetBePromoted(int64_t run) const;

 private:
  struct Entry {
    double value;  // infinity where it was not finite
    int64_t run;
    bool promoted;
  };
  struct RunState {
    int64_t rung = 0;  // promoted to
    bool recorded = false;
    double value = 0;
  };

  bool IsLast(int64_t rung) const { return rung + 1 == static_cast<int64_t>(rungs_.size()); }
  bool IsWhole(int64_t rung) const;  // nobody can be recorded there any more
  std::vector<Promotion> PromoteBest(int64_t rung, int64_t quota);
  std::vector<Promotion> PromoteTheLast();  // where no run goes on
  Promotion Promote(Entry& entry, int64_t rung);

  HalvingRule rule_;
  std::vector<std::vector<Entry>> rungs_;  // each from the best to the worst
  std::vector<RunState> runs_;
  std::vector<int64_t> entrants_;  // runs that were promoted to each rung
  int64_t going_on_ = 0;           // runs without a result at the rung they were promoted to
};

// The sweep after all results; Record's errors, with the result's index.
StatusOr<HalvingSweep> ReplayHalving(const HalvingRule& rule, std::span<const RungResult> results);

}  // namespace lwq::search
