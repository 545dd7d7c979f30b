// SPDX-License-Identifier: Apache-2.0
// Runs lwq's command line in this process and keeps what it printed.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "client/verbs/cli.h"

namespace lwq::test {

class CliHarness {
 public:
  std::map<std::string, std::string> environment;
  std::string binary_directory = "/absent";
  client::Interrupt interrupt;

  // The exit code as a number.
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    return Run(arguments, &out_);
  }
  int Run(const std::vector<std::string>& arguments, std::ostream* out) {
    err_.str("");
    client::Console console(out, &err_, {});
    const client::CliContext context{&console, &interrupt, binary_directory, [this](const std::string& name) {
                                       const auto found = environment.find(name);
                                       return found == environment.end() ? "" : found->second;
                                     }};
    return static_cast<int>(client::RunCli(arguments, context));
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

 private:
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace lwq::test
