# SPDX-License-Identifier: Apache-2.0
"""Where the coordinator is and what it is shown: arguments, else the variables of the command lwq."""
from __future__ import annotations

import dataclasses
import ipaddress
import os
from typing import Optional

import grpc

from lwq._addresses import Addresses
from lwq.errors import FailedPreconditionError, InvalidArgumentError

_LARGEST_MESSAGE_BYTES = 64 << 20


def _read(flag: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise FailedPreconditionError(f"{flag} {path}: {error.strerror}") from error


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclasses.dataclass(frozen=True)
class Settings:
    addresses: Addresses
    tls_ca: str
    tls_cert: str
    tls_key: str
    metadata: tuple[tuple[str, str], ...]

    @staticmethod
    def of(address: Optional[str], token: Optional[str], token_file: Optional[str], tls_ca: Optional[str],
           tls_cert: Optional[str], tls_key: Optional[str]) -> "Settings":
        """Raises InvalidArgumentError, and FailedPreconditionError where a file cannot be read."""
        def given(value: Optional[str], variable: str) -> str:
            return value if value is not None else os.environ.get(variable, "")

        where = given(address, "LWQ_COORDINATOR")
        if not where:
            raise InvalidArgumentError("no coordinator is named; give HOST:PORT, or set LWQ_COORDINATOR")
        ca, cert, key = given(tls_ca, "LWQ_TLS_CA"), given(tls_cert, "LWQ_TLS_CERT"), given(tls_key, "LWQ_TLS_KEY")
        if bool(cert) != bool(key):
            raise InvalidArgumentError("tls_cert and tls_key go together: give both")
        if cert and not ca:
            raise InvalidArgumentError("tls_cert needs tls_ca, the CA of the coordinator")
        if token is None:
            path = given(token_file, "LWQ_TOKEN_FILE")
            token = _read("token_file", path).decode(errors="replace").strip() if path else ""
            if path and not token:
                raise FailedPreconditionError(f"token_file {path}: holds no token")
        addresses = Addresses(where)
        for one in addresses.all:
            if token and not ca and not _is_loopback(one):
                raise FailedPreconditionError(
                    f"the token would go to {one} in the clear: give tls_ca, the CA of the coordinator")
        metadata = [("authorization", f"Bearer {token}")] if token else []
        if os.environ.get("TRACEPARENT"):
            metadata.append(("traceparent", os.environ["TRACEPARENT"]))
        return Settings(addresses, ca, cert, key, tuple(metadata))

    def credentials(self) -> Optional[grpc.ChannelCredentials]:
        if not self.tls_ca:
            return None
        pair = (_read("tls_key", self.tls_key), _read("tls_cert", self.tls_cert)) if self.tls_cert else (None, None)
        return grpc.ssl_channel_credentials(_read("tls_ca", self.tls_ca), *pair)

    def options(self) -> list[tuple[str, int]]:
        return [("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES), ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 2000)]
