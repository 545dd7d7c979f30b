#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# civetweb 1.15 (Debian 12), the web server in prometheus-cpp 1.0.1: it cannot start in a program that links OpenBLAS and glog.
#
# Expected: prometheus::Exposer serves in any program.
# Seen: it throws "null context when constructing CivetServer. Possible problem binding to port." although the port was bound.
# civetweb asks for threads with stacks of 102,400 bytes. glibc takes a thread's static thread-local storage from its stack, and
# answers EINVAL where that is larger than the stack: OpenBLAS (61,440 bytes), glog (30,457) and LibTorch (9,777) are.
# Who meets it: every program with an Exposer that computes with LibTorch of Debian 12. Nothing of it can be set at run time.
# What helps: a server whose threads have stacks of the usual size.
# Here a thread_local of 96 KiB stands for the libraries. Installs the pinned packages if they are absent (root); needs g++.
set -euo pipefail
version=1.0.1-1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(dpkg-query -W -f '${Version}' prometheus-cpp-dev 2>/dev/null)" = "$version" ] ||
  apt-get install -y -qq --no-install-recommends "prometheus-cpp-dev=$version" >"$folder/apt.log" 2>&1
cd "$folder"
cat >serve.cc <<'CODE'
#include <cstdio>
#include <exception>

#include <prometheus/exposer.h>

#ifdef LARGE
thread_local volatile char large[LARGE];
#else
thread_local volatile char large[1];
#endif

int main() {
  large[0] = 1;
  try {
    prometheus::Exposer exposer("127.0.0.1:0");
    std::puts("serves");
  } catch (const std::exception& problem) {
    std::puts(problem.what());
  }
}
CODE
g++ -std=c++17 -o small serve.cc -lprometheus-cpp-pull -lprometheus-cpp-core
g++ -std=c++17 -DLARGE=98304 -o large serve.cc -lprometheus-cpp-pull -lprometheus-cpp-core
echo "little thread-local storage: $(./small)"
echo "96 KiB of it:                $(./large)"
[ "$(./small)" = serves ] && [[ $(./large) == *"null context"* ]]
