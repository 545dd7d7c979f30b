# SPDX-License-Identifier: Apache-2.0
"""The coordinator's calls: their paths and messages, and what to do when one fails. Shared by both clients."""
from __future__ import annotations

import dataclasses
import uuid
from typing import Any, Callable, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from lwq.errors import LwqError, UnavailableError, error_of
from lwqat.v1 import run_service_pb2 as runs
from lwqat.v1 import sweep_service_pb2 as sweeps

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL,
           grpc.StatusCode.UNKNOWN, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED)


@dataclasses.dataclass(frozen=True)
class Method(Generic[Request, Response]):
    path: str
    parse: Callable[[bytes], Response]

    @staticmethod
    def serialize(request: Message) -> bytes:
        return request.SerializeToString()


def _method(service: Any, name: str, response: Callable[..., Response]) -> Method[Any, Response]:
    return Method(f"/lwqat.v1.{service}/{name}", response.FromString)  # type: ignore[attr-defined]


GET_SERVER_INFO = _method("RunService", "GetServerInfo", runs.GetServerInfoResponse)
PLAN_RUN = _method("RunService", "PlanRun", runs.PlanRunResponse)
SUBMIT_RUN = _method("RunService", "SubmitRun", runs.SubmitRunResponse)
GET_RUN = _method("RunService", "GetRun", runs.GetRunResponse)
LIST_RUNS = _method("RunService", "ListRuns", runs.ListRunsResponse)
WATCH_RUN = _method("RunService", "WatchRun", runs.WatchRunResponse)
CANCEL_RUN = _method("RunService", "CancelRun", runs.CancelRunResponse)
DELETE_RUN = _method("RunService", "DeleteRun", runs.DeleteRunResponse)
PAUSE_RUN = _method("RunService", "PauseRun", runs.PauseRunResponse)
RESUME_RUN = _method("RunService", "ResumeRun", runs.ResumeRunResponse)
GET_RUN_LOGS = _method("RunService", "GetRunLogs", runs.GetRunLogsResponse)
LIST_WORKERS = _method("RunService", "ListWorkers", runs.ListWorkersResponse)
PLAN_SWEEP = _method("SweepService", "PlanSweep", sweeps.PlanSweepResponse)
SUBMIT_SWEEP = _method("SweepService", "SubmitSweep", sweeps.SubmitSweepResponse)
GET_SWEEP = _method("SweepService", "GetSweep", sweeps.GetSweepResponse)
LIST_SWEEPS = _method("SweepService", "ListSweeps", sweeps.ListSweepsResponse)
WATCH_SWEEP = _method("SweepService", "WatchSweep", sweeps.WatchSweepResponse)
CANCEL_SWEEP = _method("SweepService", "CancelSweep", sweeps.CancelSweepResponse)
DELETE_SWEEP = _method("SweepService", "DeleteSweep", sweeps.DeleteSweepResponse)
PAUSE_SWEEP = _method("SweepService", "PauseSweep", sweeps.PauseSweepResponse)
RESUME_SWEEP = _method("SweepService", "ResumeSweep", sweeps.ResumeSweepResponse)

RUNS_A_PAGE = 200


def new_request_id() -> str:
    """With one of these a submission may be sent twice and is accepted once."""
    return str(uuid.uuid4())


class Patience:
    """How long an answer is waited for: the coordinator may be starting. `now` is a monotonic clock's, in seconds."""

    def __init__(self, address: str, seconds: float, now: float) -> None:
        self._address = address
        self._seconds = seconds
        self._until = now + seconds
        self._attempt = 0

    def renew(self, now: float) -> None:
        self._until = now + self._seconds
        self._attempt = 0

    def call_timeout(self, now: float) -> float:
        """Long enough for an answer where little patience is left."""
        return max(self._until - now, 10.0)

    def pause(self, error: grpc.RpcError, now: float, stream: bool = False) -> float:
        """Seconds until the next attempt; raises what the failure means where there is none."""
        code, details = error.code(), error.details() or ""
        silent = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        if not silent and not (stream and code in _BROKEN):
            raise error_of(code, details) from error
        if now >= self._until:
            told: LwqError = UnavailableError(f"no coordinator answers at {self._address} "
                                              f"({' '.join(details.split())}); start it, or check the address")
            raise told from error
        self._attempt += 1
        return min(0.05 * float(1 << min(self._attempt - 1, 5)), max(self._until - now, 0.001))
