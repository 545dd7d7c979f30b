// SPDX-License-Identifier: Apache-2.0
// What holds for every sweep that is halved, whatever its runs measure and in whatever order they are recorded.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "common/search/halving.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace lwq::search {
namespace {

struct PlayedSweep {
  HalvingRule rule;
  std::vector<RungResult> results;               // in the order of recording
  std::vector<std::vector<Promotion>> promoted;  // after each result
};

HalvingRule RandomRule(HalvingOrder order) {
  HalvingRule rule;
  rule.order = order;
  rule.runs = *rc::gen::inRange<int64_t>(1, 40);
  rule.min_blocks = *rc::gen::inRange<int64_t>(1, 5);
  rule.blocks = rule.min_blocks + *rc::gen::inRange<int64_t>(0, 40);
  rule.eta = *rc::gen::inRange<int64_t>(2, 5);
  return rule;
}

// Few values, so that many are equal; one in `failing` fails where that is not 0.
double RandomValue(int failing) {
  if (failing > 0 && *rc::gen::inRange(0, failing) == 0) {
    return *rc::gen::element(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity());
  }
  return *rc::gen::inRange(0, 20);
}

// Runs end in a random order until nobody goes on.
PlayedSweep Play(const HalvingRule& rule, int failing) {
  PlayedSweep played{rule, {}, {}};
  HalvingSweep sweep(rule);
  std::vector<std::pair<int64_t, int64_t>> going_on;  // run, rung
  for (int64_t run = 0; run < rule.runs; ++run) going_on.emplace_back(run, 0);
  while (!going_on.empty()) {
    const size_t next = *rc::gen::inRange<size_t>(0, going_on.size());
    const RungResult result{going_on[next].first, going_on[next].second, RandomValue(failing)};
    going_on.erase(going_on.begin() + static_cast<ptrdiff_t>(next));
    const auto promotions = sweep.Record(result);
    RC_ASSERT(promotions.ok());
    for (const Promotion& promotion : *promotions) going_on.emplace_back(promotion.run, promotion.rung);
    played.results.push_back(result);
    played.promoted.push_back(*promotions);
  }
  RC_ASSERT(sweep.ended());
  return played;
}

PlayedSweep PlayAny(int failing) {
  return Play(RandomRule(*rc::gen::element(HalvingOrder::kSynchronous, HalvingOrder::kAsynchronous)), failing);
}

std::vector<HalvingPlace> PlacesOf(const HalvingSweep& sweep, int64_t runs) {
  std::vector<HalvingPlace> places;
  for (int64_t run = 0; run < runs; ++run) places.push_back(sweep.PlaceOf(run));
  return places;
}

std::map<int64_t, std::vector<RungResult>> ByRung(const PlayedSweep& played) {
  std::map<int64_t, std::vector<RungResult>> rungs;
  for (const RungResult& result : played.results) rungs[result.rung].push_back(result);
  return rungs;
}

RC_GTEST_PROP(HalvingProperty, NoRunIsPromotedToARungTwiceAndOnlyToTheNextAfterItsResult, ()) {
  const PlayedSweep played = PlayAny(4);
  std::set<std::pair<int64_t, int64_t>> promoted;
  std::set<std::pair<int64_t, int64_t>> recorded;
  for (size_t i = 0; i < played.results.size(); ++i) {
    recorded.insert({played.results[i].run, played.results[i].rung});
    for (const Promotion& promotion : played.promoted[i]) {
      RC_ASSERT(promoted.insert({promotion.run, promotion.rung}).second);
      RC_ASSERT(recorded.contains({promotion.run, promotion.rung - 1}));
    }
  }
}

RC_GTEST_PROP(HalvingProperty, ASweepThatIsReplayedAfterAnyPrefixGoesOnAsTheOneThatWasNotInterrupted, ()) {
  const PlayedSweep played = PlayAny(4);
  const size_t prefix = *rc::gen::inRange<size_t>(0, played.results.size() + 1);
  HalvingSweep whole(played.rule);
  for (size_t i = 0; i < prefix; ++i) RC_ASSERT(*whole.Record(played.results[i]) == played.promoted[i]);
  auto resumed = ReplayHalving(played.rule, std::span(played.results).first(prefix));
  RC_ASSERT(resumed.ok());
  RC_ASSERT(PlacesOf(*resumed, played.rule.runs) == PlacesOf(whole, played.rule.runs));
  for (size_t i = prefix; i < played.results.size(); ++i) {
    RC_ASSERT(*resumed->Record(played.results[i]) == played.promoted[i]);
  }
}

RC_GTEST_PROP(HalvingProperty, ARunsRungNeverFallsAndAStoppedRunKeepsItsLast, ()) {
  const PlayedSweep played = PlayAny(4);
  HalvingSweep sweep(played.rule);
  std::vector<int64_t> recorded(static_cast<size_t>(played.rule.runs), -1);
  std::vector<HalvingPlace> before = PlacesOf(sweep, played.rule.runs);
  for (const RungResult& result : played.results) {
    RC_ASSERT(sweep.Record(result).ok());
    recorded[static_cast<size_t>(result.run)] = result.rung;
    const std::vector<HalvingPlace> after = PlacesOf(sweep, played.rule.runs);
    for (size_t run = 0; run < after.size(); ++run) {
      RC_ASSERT(after[run].rung >= before[run].rung);
      // A promotion is taken back by no result of another run.
      const bool is_another = result.run != static_cast<int64_t>(run);
      if (is_another && before[run].decision == HalvingDecision::kPromote) RC_ASSERT(after[run] == before[run]);
      if (after[run].decision != HalvingDecision::kPromote) RC_ASSERT(after[run].rung == recorded[run]);
    }
    before = after;
  }
}

RC_GTEST_PROP(HalvingProperty, SynchronouslyEachRungSendsOnExactlyItsBestShareAndAtLeastOne, ()) {
  const HalvingRule rule = RandomRule(HalvingOrder::kSynchronous);
  const PlayedSweep played = Play(rule, 0);
  auto rungs = ByRung(played);
  const auto last = static_cast<int64_t>(RungBlocks(rule).size()) - 1;
  for (int64_t rung = 0; rung < last; ++rung) {
    std::vector<RungResult> results = rungs[rung];
    std::sort(results.begin(), results.end(), [](const RungResult& a, const RungResult& b) {
      return std::pair(a.value, a.run) < std::pair(b.value, b.run);
    });
    const size_t quota = std::max<size_t>(1, results.size() / static_cast<size_t>(rule.eta));
    std::set<int64_t> best;
    for (size_t i = 0; i < quota; ++i) best.insert(results[i].run);
    std::set<int64_t> next;
    for (const RungResult& result : rungs[rung + 1]) next.insert(result.run);
    RC_ASSERT(next == best);
  }
  RC_ASSERT(!rungs[last].empty());
}

RC_GTEST_PROP(HalvingProperty, SynchronousDecisionsDoNotDependOnTheOrderOfResults, ()) {
  const PlayedSweep played = Play(RandomRule(HalvingOrder::kSynchronous), 0);
  // Any order in which rungs are still recorded one after the other.
  std::vector<RungResult> reordered = played.results;
  std::sort(reordered.begin(), reordered.end(), [](const RungResult& a, const RungResult& b) {
    return std::pair(a.rung, -a.run) < std::pair(b.rung, -b.run);
  });
  const auto one = ReplayHalving(played.rule, played.results);
  const auto other = ReplayHalving(played.rule, reordered);
  RC_ASSERT(one.ok() && other.ok());
  RC_ASSERT(PlacesOf(*one, played.rule.runs) == PlacesOf(*other, played.rule.runs));
}

RC_GTEST_PROP(HalvingProperty, AsynchronouslyNobodyWaitsAndEachResultPromotesTheBestShareOfThoseSoFar, ()) {
  const HalvingRule rule = RandomRule(HalvingOrder::kAsynchronous);
  const PlayedSweep played = Play(rule, 4);
  HalvingSweep sweep(rule);
  const auto last = static_cast<int64_t>(RungBlocks(rule).size()) - 1;
  std::map<int64_t, std::vector<std::pair<double, int64_t>>> recorded;
  std::map<int64_t, std::set<int64_t>> promoted;
  for (size_t i = 0; i < played.results.size(); ++i) {
    const RungResult& result = played.results[i];
    RC_ASSERT(sweep.Record(result).ok());
    RC_ASSERT(played.promoted[i].size() <= 1);
    for (const HalvingPlace& place : PlacesOf(sweep, rule.runs)) RC_ASSERT(place.decision != HalvingDecision::kWait);
    auto& rung = recorded[result.rung];
    rung.emplace_back(std::isfinite(result.value) ? result.value : 1e9, result.run);
    std::sort(rung.begin(), rung.end());
    for (const Promotion& promotion : played.promoted[i]) promoted[promotion.rung - 1].insert(promotion.run);
    if (result.rung == last) continue;
    for (size_t k = 0; k < rung.size() / static_cast<size_t>(rule.eta); ++k) {
      if (rung[k].first < 1e9) RC_ASSERT(promoted[result.rung].contains(rung[k].second));
    }
  }
}

RC_GTEST_PROP(HalvingProperty, WhatFailedIsNeverPromotedAndASweepEndsWithARunTrainedThroughIfAnyCanBe, ()) {
  const PlayedSweep played = PlayAny(2);
  std::set<std::pair<int64_t, int64_t>> failed;
  bool finished = false;
  const auto last = static_cast<int64_t>(RungBlocks(played.rule).size()) - 1;
  for (size_t i = 0; i < played.results.size(); ++i) {
    const RungResult& result = played.results[i];
    if (!std::isfinite(result.value)) failed.insert({result.run, result.rung});
    finished = finished || (std::isfinite(result.value) && result.rung == last);
    for (const Promotion& promotion : played.promoted[i]) {
      RC_ASSERT(!failed.contains({promotion.run, promotion.rung - 1}));
    }
  }
  // Otherwise every single run has failed.
  if (!finished) RC_ASSERT(failed.size() == static_cast<size_t>(played.rule.runs));
}

}  // namespace
}  // namespace lwq::search
