// SPDX-License-Identifier: Apache-2.0
#include "common/search/halving.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace lwq::search {

Status CheckHalving(const HalvingRule& rule) {
  if (rule.runs < 1) return absl::InvalidArgumentError("halving has no runs; give at least 1");
  if (rule.min_blocks < 1) {
    return absl::InvalidArgumentError(absl::StrCat("min_blocks ", rule.min_blocks, " is below 1"));
  }
  if (rule.blocks < rule.min_blocks) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_blocks ", rule.min_blocks, " is above the model's ", rule.blocks, " blocks"));
  }
  if (rule.eta < 2) {
    return absl::InvalidArgumentError(absl::StrCat("eta ", rule.eta, " is below 2: one of eta runs goes on"));
  }
  return absl::OkStatus();
}

std::vector<int64_t> RungBlocks(const HalvingRule& rule) {
  std::vector<int64_t> blocks;
  // Compared by division: min_blocks·eta^k may leave the range of integers.
  for (int64_t rung = rule.min_blocks; rung < rule.blocks; rung *= rule.eta) {
    blocks.push_back(rung);
    if (rung > rule.blocks / rule.eta) break;
  }
  blocks.push_back(rule.blocks);
  return blocks;
}

HalvingSweep::HalvingSweep(const HalvingRule& rule) : rule_(rule), going_on_(rule.runs) {
  LWQ_CHECK(CheckHalving(rule).ok(), CheckHalving(rule).ToString());
  rungs_.resize(RungBlocks(rule).size());
  runs_.resize(static_cast<size_t>(rule.runs));
  entrants_.resize(rungs_.size(), 0);
  entrants_[0] = rule.runs;
}

StatusOr<std::vector<Promotion>> HalvingSweep::Record(const RungResult& result) {
  if (result.run < 0 || result.run >= rule_.runs) {
    return absl::InvalidArgumentError(absl::StrCat("run ", result.run, " is none of ", rule_.runs));
  }
  RunState& run = runs_[static_cast<size_t>(result.run)];
  if (result.rung != run.rung || run.recorded) {
    return absl::InvalidArgumentError(absl::StrCat("run ", result.run, " is ",
                                                   run.recorded ? "recorded at" : "going to", " rung ", run.rung,
                                                   ", and takes no result at rung ", result.rung));
  }
  run.recorded = true;
  run.value = std::isfinite(result.value) ? result.value : std::numeric_limits<double>::infinity();
  --going_on_;
  std::vector<Entry>& rung = rungs_[static_cast<size_t>(result.rung)];
  const Entry entry{run.value, result.run, false};
  const auto place = std::upper_bound(rung.begin(), rung.end(), entry, [](const Entry& a, const Entry& b) {
    return std::tie(a.value, a.run) < std::tie(b.value, b.run);
  });
  rung.insert(place, entry);

  std::vector<Promotion> promotions;
  const auto recorded = static_cast<int64_t>(rung.size());
  if (!IsLast(result.rung) && (rule_.order == HalvingOrder::kAsynchronous || IsWhole(result.rung))) {
    promotions = PromoteBest(result.rung, recorded / rule_.eta);
  }
  if (going_on_ == 0) promotions = PromoteTheLast();
  return promotions;
}

std::vector<Promotion> HalvingSweep::PromoteBest(int64_t rung, int64_t quota) {
  std::vector<Entry>& entries = rungs_[static_cast<size_t>(rung)];
  std::vector<Promotion> promotions;
  for (int64_t i = 0; i < quota; ++i) {
    Entry& entry = entries[static_cast<size_t>(i)];
    if (!entry.promoted && std::isfinite(entry.value)) promotions.push_back(Promote(entry, rung));
  }
  std::sort(promotions.begin(), promotions.end(), [](const Promotion& a, const Promotion& b) { return a.run < b.run; });
  return promotions;
}

std::vector<Promotion> HalvingSweep::PromoteTheLast() {
  const std::vector<Entry>& ends = rungs_.back();
  if (!ends.empty() && std::isfinite(ends.front().value)) return {};
  for (int64_t rung = static_cast<int64_t>(rungs_.size()) - 2; rung >= 0; --rung) {
    for (Entry& entry : rungs_[static_cast<size_t>(rung)]) {
      if (!entry.promoted && std::isfinite(entry.value)) return {Promote(entry, rung)};
    }
  }
  return {};
}

Promotion HalvingSweep::Promote(Entry& entry, int64_t rung) {
  entry.promoted = true;
  runs_[static_cast<size_t>(entry.run)] = RunState{rung + 1, false, 0};
  ++entrants_[static_cast<size_t>(rung) + 1];
  ++going_on_;
  return {entry.run, rung + 1};
}

bool HalvingSweep::IsWhole(int64_t rung) const {
  return static_cast<int64_t>(rungs_[static_cast<size_t>(rung)].size()) == entrants_[static_cast<size_t>(rung)];
}

HalvingPlace HalvingSweep::PlaceOf(int64_t index) const {
  LWQ_CHECK(index >= 0 && index < rule_.runs, "run ", index, " of ", rule_.runs);
  const RunState& run = runs_[static_cast<size_t>(index)];
  if (!run.recorded) return {HalvingDecision::kPromote, run.rung};
  if (!std::isfinite(run.value)) return {HalvingDecision::kStop, run.rung};
  if (IsLast(run.rung)) return {HalvingDecision::kFinish, run.rung};
  const bool waits = rule_.order == HalvingOrder::kSynchronous && !IsWhole(run.rung);
  return {waits ? HalvingDecision::kWait : HalvingDecision::kStop, run.rung};
}

bool HalvingSweep::MayYetBePromoted(int64_t run) const {
  return !ended() && PlaceOf(run).decision == HalvingDecision::kStop &&
         std::isfinite(runs_[static_cast<size_t>(run)].value);
}

StatusOr<HalvingSweep> ReplayHalving(const HalvingRule& rule, std::span<const RungResult> results) {
  LWQ_RETURN_IF_ERROR(CheckHalving(rule));
  HalvingSweep sweep(rule);
  for (size_t i = 0; i < results.size(); ++i) {
    LWQ_RETURN_IF_ERROR(Annotate(sweep.Record(results[i]).status(), absl::StrCat("result ", i)));
  }
  return sweep;
}

}  // namespace lwq::search
