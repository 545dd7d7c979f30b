// The options of verbs that work on runs by id.
#pragma once

#include <string>
#include <vector>

#include "client/verbs/verb.h"

namespace lwq {

struct RunIdOptions {
  bool json = false;
  ServerFlags server;
  std::vector<std::string> run_ids;
};

// Positional run ids: one, or one and more. "a run's id, or the first four or more characters of it".
inline void AddRunIds(CLI::App* verb, bool several, std::vector<std::string>* run_ids) {
  CLI::Option* option = verb->add_option("RUN", *run_ids, "a run's id, or the first four or more characters of it");
  option->required()->type_name("");
  if (!several) option->expected(1);
}

}  // namespace lwq
