# SPDX-License-Identifier: Apache-2.0
"""Where the coordinator may be: one address, or those of several coordinators of one store, of which one leads."""
from __future__ import annotations

import threading

import grpc

from lwq.errors import InvalidArgumentError

_LEADER = "lwq-leader"  # trailing metadata of one that stands by
_SILENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Addresses:
    """Any thread may use it."""

    def __init__(self, text: str) -> None:
        self.all = tuple(text.split(","))
        for address in self.all:
            if not address.rpartition(":")[0]:
                raise InvalidArgumentError(f'expected HOST:PORT, got "{address}"')
        self._current = 0
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return ", ".join(self.all)

    @property
    def current(self) -> int:
        """The place of the one to call."""
        return self._current

    def move_on(self, called: int, error: grpc.RpcError) -> None:
        """After a call to one that does not answer or stands by: to the leader that it named, if it is one of these (a
        token is shown to no other), else to the next."""
        if error.code() not in _SILENT:
            return
        named = dict(error.trailing_metadata() or ()).get(_LEADER)
        with self._lock:
            if called == self._current:  # else another thread's call has moved on
                self._current = self.all.index(named) if named in self.all else (called + 1) % len(self.all)
