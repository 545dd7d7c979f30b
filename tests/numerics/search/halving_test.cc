// SPDX-License-Identifier: Apache-2.0
// Asynchronous halving against Optuna 4.9.0's SuccessiveHalvingPruner (golden/search/halving.json), where both mean the
// same: whether the run goes on that was recorded last. (Optuna never comes back to a run that it has stopped; ours
// may.)
#include "common/search/halving.h"
#include "gtest/gtest.h"
#include "tests/numerics/search/search_golden.h"

namespace lwq::search {
namespace {

TEST(SearchHalvingTest, TheNewestRunGoesOnWhereOptunaLetsItGoOn) {
  size_t promoted = 0;
  size_t compared = 0;
  for (const Json& golden : testing::SearchGolden("halving")["first_rung"]) {
    const Json& values = golden["values"];
    HalvingSweep sweep({HalvingOrder::kAsynchronous, static_cast<int64_t>(values.size()) + 1, 1, 1000, golden["eta"]});
    for (size_t i = 0; i < values.size(); ++i, ++compared) {
      const auto run = static_cast<int64_t>(i);
      ASSERT_TRUE(sweep.Record({run, 0, values[i].get<double>()}).ok());
      const bool goes_on = sweep.PlaceOf(run) == HalvingPlace{HalvingDecision::kPromote, 1};
      EXPECT_EQ(goes_on, golden["promotes_newest"][i].get<bool>()) << "eta " << golden["eta"] << ", result " << i;
      promoted += goes_on ? 1 : 0;
    }
  }
  EXPECT_EQ(compared, 240U);
  EXPECT_GT(promoted, 40U);
}

}  // namespace
}  // namespace lwq::search
