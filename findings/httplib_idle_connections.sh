#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cpp-httplib 0.11.4 (Debian 12): a connection that is kept alive and idle is looked at about 90 times a second.
#
# Expected: the thread of an idle connection sleeps until something comes or the keep-alive timeout is over.
# Seen: it waits in turns, 10 ms for something to read and 1 ms for nothing, until the timeout: about 180 times a second it
# goes to sleep. 100 idle connections make 17,000 switches a second. Browsers keep several connections for as long as the
# server says (keep-alive timeout, 5 s unless set), and begin again with each request.
# What helps: a short timeout, and for answers that are streams no keeping alive at all: Connection: close, and false from
# the content provider after its done().
# Installs the pinned package if it is absent (root); needs g++.
set -euo pipefail
version=0.11.4+ds-1+deb12u1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(dpkg-query -W -f '${Version}' libcpp-httplib-dev 2>/dev/null)" = "$version" ] ||
  apt-get install -y -qq --no-install-recommends "libcpp-httplib-dev=$version" >"$folder/apt.log" 2>&1
cd "$folder"
cat >idle.cc <<'CODE'
#include <httplib.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

// How often threads of this process have gone to sleep.
long Sleeps() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

int main() {
  constexpr int kConnections = 100;
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
  server.set_keep_alive_timeout(60);
  server.Get("/", [](const httplib::Request&, httplib::Response& answer) { answer.set_content("x", "text/plain"); });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread serving([&] { server.listen_after_bind(); });
  std::vector<std::unique_ptr<httplib::Client>> clients;
  const auto second = [] {
    const long before = Sleeps();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    return Sleeps() - before;
  };
  const long none = second();
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(std::make_unique<httplib::Client>("127.0.0.1", port));
    clients.back()->set_keep_alive(true);
    if (!clients.back()->Get("/")) return 2;
  }
  const long idle = second();
  std::printf("connections: 0 idle %ld, %d idle %ld sleeps in a second\n", none, kConnections, idle);
  clients.clear();
  server.stop();
  serving.join();
  return idle - none > 50 * kConnections ? 0 : 1;
}
CODE
g++ -std=c++17 -O1 -o idle idle.cc $(pkg-config --cflags --libs cpp-httplib) -lpthread
./idle
