// SPDX-License-Identifier: Apache-2.0
// lwq: the command line of LayerWise-QAT.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "client/verbs/cli.h"

namespace client = lwq::client;

namespace {

std::string Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = Variable(name);
    if (!value.empty()) return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

client::Console::Options Terminal() {
  client::Console::Options options;
  const bool capable = Variable("TERM") != "dumb";
  options.out_is_terminal = capable && isatty(STDOUT_FILENO) == 1;
  options.err_is_terminal = capable && isatty(STDERR_FILENO) == 1;
  options.utf8 = LocaleIsUtf8();
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    options.columns = size.ws_col;
    options.rows = size.ws_row;
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  client::Console console(&std::cout, &std::cerr, Terminal());
  static auto* const interrupt = new client::Interrupt();  // outlives the thread that carries signals to it
  if (const lwq::Status installed = client::InstallSignalHandlers(interrupt); !installed.ok()) {
    console.Err(lwq::MessageOf(installed));
    return static_cast<int>(client::ExitCode::kFailed);
  }
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const client::CliContext context{&console, interrupt, self.parent_path().string(), Variable};
  return static_cast<int>(client::RunCli(std::vector<std::string>(argv + 1, argv + argc), context));
}
