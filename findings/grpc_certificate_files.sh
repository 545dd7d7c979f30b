#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gRPC C++ 1.51.1 (Debian 12): while key and certificate on disk do not fit together, a server that watches them serves nobody.
#
# Expected: FileWatcherCertificateProvider exists so that certificates are renewed under a running server; a key that was written
# and whose certificate is still to come is not taken up, and the former pair stays in use.
# Seen: the provider reads both files every refresh interval and hands on whatever is there. The server cannot make a handshaker
# of a key and a certificate that do not fit ("Invalid private key", "Update handshaker factory failed") and keeps none: every new
# connection is closed during the handshake, until the certificate has been replaced and the files are read again.
# Who meets it: everyone whose tool writes the two files one after the other, more slowly than the refresh interval (a second at
# the least). Secrets mounted by Kubernetes change both at once, by a symbolic link.
# What helps: watch the files yourself and give the provider a pair only once it fits.
# Installs the pinned packages if they are absent (root); needs g++, pkg-config, openssl.
set -euo pipefail
version=1.51.1-3+b1
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
[ "$(dpkg-query -W -f '${Version}' libgrpc++-dev 2>/dev/null)" = "$version" ] ||
  apt-get install -y -qq --no-install-recommends "libgrpc++-dev=$version" >"$folder/apt.log" 2>&1
cd "$folder"
cat >server.cc <<'CODE'
#include <cstdio>
#include <memory>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

int main() {
  const auto files =
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>("server.key", "server.crt", /*refresh=*/1);
  grpc::experimental::TlsServerCredentialsOptions options(files);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  grpc::CallbackGenericService nothing;
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&nothing);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::experimental::TlsServerCredentials(options), &port);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::printf("%d\n", port);
  std::fflush(stdout);
  server->Wait();
}
CODE
g++ -std=c++17 -o server server.cc $(pkg-config --cflags --libs grpc++ protobuf)
pair() {  # pair NAME: NAME.key and NAME.crt, which signs itself
  openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt" 2>/dev/null
}
pair first
pair second
cp first.key server.key
cp first.crt server.crt
./server >port 2>server.log &
server=$!
until [ -s port ]; do kill -0 "$server"; sleep 0.1; done
handshakes() {  # of 5, how many a server carries out
  local done=0
  for _ in 1 2 3 4 5; do
    ! openssl s_client -connect "127.0.0.1:$(cat port)" -alpn h2 </dev/null 2>/dev/null | grep -q "^subject=" || done=$((done + 1))
  done
  echo "$done"
}
sleep 3
before=$(handshakes)
cp second.key server.key  # its certificate is not there yet
sleep 4
between=$(handshakes)
cp second.crt server.crt
sleep 4
after=$(handshakes)
echo "libgrpc++ $version: of 5 handshakes went well: $before with the first pair, $between while only the key was new, $after with the second pair"
grep -ohE "Invalid private key|Update handshaker factory failed" server.log | sort | uniq -c
if [ "$before $after" = "5 5" ] && [ "$between" = 0 ]; then
  echo "as described: a key without its certificate closes every new connection"
else
  echo "changed" >&2
  exit 1
fi
