// SPDX-License-Identifier: Apache-2.0
#include "common/eval_tasks/request_dump.h"

#include "common/json/json.h"

namespace lwq {

std::string RequestDump(const RequestSet& set, std::span<const double> log_likelihoods,
                        std::span<const uint8_t> greedy) {
  std::string lines;
  size_t place = 0;
  for (size_t item = 0; item < set.items.size(); ++item) {
    const RequestItem& asked = set.items[item];
    for (size_t choice = 0; choice < asked.requests.size(); ++choice, ++place) {
      const EvalRequest& request = asked.requests[choice];
      const Json line{{"task", set.task},
                      {"item", item},
                      {"choice", choice},
                      {"is_gold", asked.gold == static_cast<int64_t>(choice)},
                      {"context", request.context},
                      {"continuation", request.continuation},
                      {"context_ids", request.context_ids},
                      {"continuation_ids", request.continuation_ids},
                      {"log_likelihood", log_likelihoods[place]},
                      {"is_greedy", greedy[place] != 0},
                      {"characters", request.characters}};
      absl::StrAppend(&lines, CanonicalJson(line), "\n");
    }
  }
  return lines;
}

}  // namespace lwq
