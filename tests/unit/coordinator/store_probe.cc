// SPDX-License-Identifier: Apache-2.0
// Opens a store from a process of its own and says how that went: exit code 0, or 1 and the refusal on standard output.
#include <cstdio>
#include <string>

#include "coordinator/store/sqlite_store.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto store = lwq::coordinator::OpenSqliteStore(argv[1]);
  if (store.ok()) return 0;
  std::printf("%s\n", std::string(lwq::MessageOf(store.status())).c_str());
  return 1;
}
