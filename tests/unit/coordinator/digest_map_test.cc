// SPDX-License-Identifier: Apache-2.0
// A DigestMap is a std::map that is found by hash.
#include "coordinator/scheduler/state/digest_map.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace lwq::coordinator {
namespace {

Digest Key(int number) {
  return DigestOf(absl::StrCat("key ", number));
}

void ExpectSame(const DigestMap<int>& map, const std::map<Digest, int>& model) {
  RC_ASSERT(map.size() == model.size());
  RC_ASSERT(map.empty() == model.empty());
  RC_ASSERT(std::equal(map.begin(), map.end(), model.begin(), model.end()));
}

RC_GTEST_PROP(DigestMapProperty, AnySequenceOfChangesLeavesWhatAMapWouldHold, ()) {
  DigestMap<int> map;
  std::map<Digest, int> model;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 5), rc::gen::inRange(0, 20)));
  for (const auto& [what, number] : steps) {
    const Digest key = Key(number);
    if (what == 0) {
      RC_ASSERT(map.try_emplace(key, number).second == model.try_emplace(key, number).second);
    } else if (what == 1) {
      map[key] = model[key] = number * 2;
    } else if (what == 2) {
      RC_ASSERT(map.erase(key) == model.erase(key));
    } else if (what == 3) {
      if (const auto found = map.find(key); found != map.end()) map.erase(found);
      model.erase(key);
    } else {
      const DigestMap<int> copy = map;  // found in the copy, not in what was copied
      map = copy;
    }
    RC_ASSERT(map.contains(key) == model.contains(key));
    RC_ASSERT((map.find(key) == map.end()) == !model.contains(key));
    if (model.contains(key)) RC_ASSERT(map.at(key) == model.at(key));
  }
  ExpectSame(map, model);
  const DigestMap<int> moved = std::move(map);
  ExpectSame(moved, model);
}

TEST(DigestMapTest, ReferencesStayWhileOthersComeAndGo) {
  DigestMap<std::string> map;
  const std::string* const first = &map.emplace(Key(0), "first").first->second;
  for (int i = 1; i < 1000; ++i) map[Key(i)] = "other";
  for (int i = 1; i < 1000; i += 2) map.erase(Key(i));
  EXPECT_EQ(&map.at(Key(0)), first);
  EXPECT_EQ(*first, "first");
}

TEST(DigestMapTest, ACopyIsFoundByItsOwnEntries) {
  DigestMap<int> map;
  map[Key(1)] = 1;
  DigestMap<int> copy = map;
  copy.at(Key(1)) = 2;
  EXPECT_EQ(map.at(Key(1)), 1);
  map.erase(Key(1));
  EXPECT_EQ(copy.at(Key(1)), 2);
}

}  // namespace
}  // namespace lwq::coordinator
