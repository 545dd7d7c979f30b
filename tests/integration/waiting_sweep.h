// SPDX-License-Identifier: Apache-2.0
// For tests of verbs: a real coordinator without workers, with an object store of files, and a sweep of two runs whose
// tasks wait for ever.
#pragma once

#include <string>
#include <vector>

#include "common/json/json.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"

namespace lwq::test {

class WaitingSweepTest : public ::testing::Test {
 protected:
  // `flags` are the coordinator's, beside those that say where it keeps things.
  explicit WaitingSweepTest(const std::vector<std::string>& flags = {})
      : coordinator_(Command(flags), directory_.path() + "/log") {
    address_ = WaitForFile(directory_.path() + "/address", 60).value();
    WriteFile(directory_.path() + "/sweep.yaml",
              "name: waiting\nbase: {method: noop, train_size: 2}\naxes: {grid: {train_size: [2, 3]}}\n");
  }
  std::string Objects() const { return directory_.path() + "/objects"; }
  // lwq with these arguments and the coordinator's address.
  Finished Lwq(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), std::string(LWQ_BINARY_DIR) + "/bin/lwq");
    arguments.insert(arguments.end(), {"--coordinator", address_});
    return RunToEnd(arguments, directory_.path());
  }
  Json JsonOf(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Finished finished = Lwq(std::move(arguments));
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return *ParseJson(finished.out, "output");
  }
  // Submits the sweep; its id.
  std::string Submit() {
    const Finished submitted = Lwq({"sweep", directory_.path() + "/sweep.yaml"});
    EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
    return JsonOf({"sweeps"})["sweeps"][0]["id"];
  }

  TemporaryDirectory directory_;
  Process coordinator_;
  std::string address_;

 private:
  std::vector<std::string> Command(const std::vector<std::string>& flags) const {
    std::vector<std::string> command = {std::string(LWQ_BINARY_DIR) + "/bin/lwq-coordinator",
                                        "--store",
                                        "sqlite:" + directory_.path() + "/state.db",
                                        "--objects",
                                        "file://" + Objects(),
                                        "--address-file",
                                        directory_.path() + "/address"};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }
};

}  // namespace lwq::test
