#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cpp-httplib 0.11.4 (Debian 12): an answer for a browser is compressed by Brotli at its highest quality, anew each time.
#
# Expected: compression as cheap as gzip's usual level, which the library takes where a client names gzip alone.
# Seen: a client that also takes br, as every browser says it does over HTTPS, gets Brotli, and the encoder is left at its
# own default, quality 11, which is meant for files that are packed once: of 1.2 MB of JSON it made 89 kB in 3.1 s, where
# gzip made 177 kB in 36 ms.
# The thread of the connection is busy meanwhile. There is no option for it. 0.11.4 is built so in Debian's shared library.
# What helps: hand large answers over by set_content_provider with their length, which are sent as they are, packed before
# where they never change.
# Installs the pinned package if it is absent (root); needs g++.
set -euo pipefail
version=0.11.4+ds-1+deb12u1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(dpkg-query -W -f '${Version}' libcpp-httplib-dev 2>/dev/null)" = "$version" ] ||
  apt-get install -y -qq --no-install-recommends "libcpp-httplib-dev=$version" >"$folder/apt.log" 2>&1
cd "$folder"
cat >serve.cc <<'CODE'
#include <httplib.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

int main() {
  std::string json = "[";
  for (int i = 0; i < 20000; ++i) {
    json += "{\"key\": \"" + std::to_string(i * 2654435761u) + "\", \"state\": \"SUCCEEDED\", \"seconds\": " + std::to_string(i % 97) + "},";
  }
  json.back() = ']';
  httplib::Server server;
  server.Get("/", [&](const httplib::Request&, httplib::Response& answer) { answer.set_content(json, "application/json"); });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread serving([&] { server.listen_after_bind(); });
  httplib::Client client("127.0.0.1", port);
  client.set_decompress(false);
  client.set_read_timeout(600);
  for (const char* accepted : {"identity", "gzip", "gzip, deflate, br"}) {
    const auto begun = std::chrono::steady_clock::now();
    const auto answer = client.Get("/", {{"Accept-Encoding", accepted}});
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
    const std::string encoding = answer->get_header_value("Content-Encoding");
    std::printf("%s %zu %.0f\n", encoding.empty() ? "identity" : encoding.c_str(), answer->body.size(), ms);
  }
  server.stop();
  serving.join();
}
CODE
g++ -std=c++17 -O1 -o serve serve.cc $(pkg-config --cflags --libs cpp-httplib) -lpthread
./serve | tee seen | while read -r encoding bytes ms; do echo "$encoding: $bytes bytes in $ms ms"; done
gzip_ms=$(awk '$1 == "gzip" {print $3}' seen)
br_ms=$(awk '$1 == "br" {print $3}' seen)
[ -n "$br_ms" ] && [ "$br_ms" -gt $((10 * gzip_ms)) ]
