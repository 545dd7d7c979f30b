# SPDX-License-Identifier: Apache-2.0
"""What watching yields, and how a run is put together from its changes."""
from __future__ import annotations

import dataclasses

from lwqat.v1.run_pb2 import (RUN_STATE_CANCELLED, RUN_STATE_FAILED, RUN_STATE_STOPPED, RUN_STATE_SUCCEEDED, Run, Task)
from lwqat.v1.run_service_pb2 import WatchRunRequest, WatchRunResponse
from lwqat.v1.sweep_service_pb2 import WatchSweepRequest, WatchSweepResponse


@dataclasses.dataclass(frozen=True)
class RunEvent:
    run: Run  #: the whole run as it is now
    changed: list[Task]  #: tasks that changed since the event before; of the first event all
    ended: bool  #: nothing follows


@dataclasses.dataclass(frozen=True)
class SweepEvent:
    changed: list[Run]  #: without plan and sensitivity; of their tasks those that are executed
    ended: bool  #: every run has ended, and nothing follows


def has_ended(run: Run) -> bool:
    """Terminal, or stopped by halving for good."""
    if run.state == RUN_STATE_STOPPED:
        return run.halving.decided
    return run.state in (RUN_STATE_SUCCEEDED, RUN_STATE_FAILED, RUN_STATE_CANCELLED)


class RunChanges:
    """Holds a watched run through broken streams."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._run = Run()
        self._resume_token = ""

    def request(self) -> WatchRunRequest:
        return WatchRunRequest(run_id=self._run_id, changes_only=True, resume_token=self._resume_token)

    def take(self, message: WatchRunResponse) -> RunEvent:
        now = Run()
        now.CopyFrom(message.run)
        changed = list(message.run.tasks)
        if message.is_change:
            now.spec.CopyFrom(self._run.spec)
            if not message.run.HasField("plan"):
                if self._run.HasField("plan"):
                    now.plan.CopyFrom(self._run.plan)
                del now.sensitivity[:]
                now.sensitivity.extend(self._run.sensitivity)
            del now.tasks[:]
            now.tasks.extend(self._run.tasks)
            for position, task in zip(message.task_positions, changed):
                while len(now.tasks) <= position < now.tasks_total:
                    now.tasks.add()
                if 0 <= position < len(now.tasks):
                    now.tasks[position].CopyFrom(task)
        self._run = now
        self._resume_token = message.resume_token
        return RunEvent(now, changed, has_ended(now) and not message.more)


class SweepChanges:
    def __init__(self, sweep_id: str) -> None:
        self._sweep_id = sweep_id
        self._resume_token = ""

    def request(self) -> WatchSweepRequest:
        return WatchSweepRequest(sweep_id=self._sweep_id, resume_token=self._resume_token)

    def take(self, message: WatchSweepResponse) -> SweepEvent:
        self._resume_token = message.resume_token
        return SweepEvent(list(message.runs), message.all_ended)
