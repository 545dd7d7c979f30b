// SPDX-License-Identifier: Apache-2.0
// The options of verbs that work on runs by id.
#pragma once

#include <string>
#include <vector>

#include "client/base/format.h"
#include "client/verbs/verb.h"

namespace lwq::client {

struct RunIdOptions {
  bool json = false;
  ServerFlags server;
  std::vector<std::string> run_ids;
};

constexpr char kRunIdHelp[] = "a run's id, or the first four or more characters of it";
constexpr char kSweepIdHelp[] = "a sweep's id, or the first four or more characters of it";

constexpr char kRunOrSweepIdHelp[] = "the id of a run or a sweep, or the first four or more characters of it";

// Says why the text cannot be the id of a run: a text that is not UTF-8 cannot be sent. "" where it can be one.
inline std::string CheckRunId(const std::string& id) {
  return IsUtf8(id) ? "" : "is not UTF-8; lwq list shows the runs";
}

// The positional id of one run, or of one and more.
inline void AddRunId(CLI::App* verb, std::vector<std::string>* run_ids) {
  const auto store = [run_ids](const std::string& id) { run_ids->assign(1, id); };
  verb->add_option_function<std::string>("RUN", store, kRunIdHelp)->required()->type_name("")->check(CheckRunId);
}
inline void AddRunIds(CLI::App* verb, std::vector<std::string>* run_ids) {
  verb->add_option("RUN", *run_ids, kRunIdHelp)->required()->type_name("")->check(CheckRunId);
}

}  // namespace lwq::client
