#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gRPC 1.76.0 (grpcio from PyPI; 1.51.1 of Debian 12 likewise): the channel argument grpc.min_reconnect_backoff_ms is no
# backoff. It is how long an attempt to connect may take, with the handshakes of TLS and HTTP/2.
#
# Expected: grpc.initial_reconnect_backoff_ms=100, grpc.min_reconnect_backoff_ms=100 and grpc.max_reconnect_backoff_ms=1000
# make a client try again soon: pauses of 100 ms to a second.
# Seen: so they do, and each attempt is given up after its pause, so after 100 ms the first, and none has more than about a
# second. Before a peer that takes the connection and answers after 1.5 s such a client never connects, however often it
# tries; one that leaves the argument alone (20 s) or sets it to 5,000 connects at the first attempt. A handshake of TLS takes
# three ways there and back, and a busy machine its time: far or loaded servers look dead.
# Installs the pinned package in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" -q install grpcio==1.76.0
cat >"$folder/slow.py" <<'CODE'
import socket
import threading
import time
from concurrent import futures

import grpc

SLOW = 1.5
PATIENCE = 8


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def slow_door(port):
    """A listener before the server that begins to pass bytes on after SLOW seconds; counts connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve_one(near):
        time.sleep(SLOW)
        far = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        pump(far, near)

    def serve():
        while True:
            near, _ = listener.accept()
            connections.append(near)
            threading.Thread(target=serve_one, args=(near,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], connections


def connects(door, least):
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000),
               ("grpc.use_local_subchannel_pool", 1)]
    if least is not None:
        options.append(("grpc.min_reconnect_backoff_ms", least))
    with grpc.insecure_channel(f"127.0.0.1:{door}", options=options) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE)
            return True
        except grpc.FutureTimeoutError:
            return False


server = grpc.server(futures.ThreadPoolExecutor(1))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
for least in (100, 5000, None):
    door, connections = slow_door(port)
    print(f"least={least} connected={connects(door, least)} attempts={len(connections)}")
server.stop(None)
CODE
"$folder/env/bin/python" "$folder/slow.py" | tee "$folder/seen"
grep -q '^least=100 connected=False attempts=\([5-9]\|[1-9][0-9]\)$' "$folder/seen"
grep -q '^least=5000 connected=True attempts=1$' "$folder/seen"
grep -q '^least=None connected=True attempts=1$' "$folder/seen"
