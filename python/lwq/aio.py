# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio; its methods are those of lwq.Client, as coroutines and asynchronous iterators."""
from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from lwq import _calls
from lwq._calls import Method, Patience, new_request_id
from lwq._settings import Settings
from lwq._specs import RunLike, run_spec, sweep_spec
from lwq.events import RunChanges, RunEvent, SweepChanges, SweepEvent
from lwq.tables import Cell, frame_of, row_of
from lwqat.v1.run_pb2 import Plan, Run
from lwqat.v1.run_service_pb2 import (CancelRunRequest, DeleteRunRequest, DeleteRunResponse, GetRunLogsRequest,
                                      GetRunRequest, GetServerInfoRequest, ListRunsRequest, ListWorkersRequest, LogLine,
                                      PauseRunRequest, PlanRunRequest, ResumeRunRequest, SubmitRunRequest, WorkerInfo)
from lwqat.v1.spec_pb2 import RunSpec
from lwqat.v1.sweep_pb2 import Sweep, SweepPlan, SweepSpec
from lwqat.v1.sweep_service_pb2 import (CancelSweepRequest, DeleteSweepRequest, DeleteSweepResponse, GetSweepRequest,
                                        ListSweepsRequest, PauseSweepRequest, PlanSweepRequest, ResumeSweepRequest,
                                        SubmitSweepRequest)

if TYPE_CHECKING:
    import pandas

T = TypeVar("T", bound=Message)


class Client:
    """A way to a coordinator, of one event loop; close it, or use it in an async with statement.

    `address` is HOST:PORT, or several of one store with commas between; what is left out comes from LWQ_COORDINATOR,
    LWQ_TOKEN_FILE, LWQ_TLS_CA, LWQ_TLS_CERT and LWQ_TLS_KEY, as the command lwq has it. Without tls_ca it speaks
    plaintext, and a token then goes to this machine alone. `timeout`: how long, in seconds, a coordinator that does not answer is asked again. Every method may raise
    LwqError; ids may be shortened to four characters or more where that is unambiguous.
    """

    def __init__(self, address: Optional[str] = None, *, token: Optional[str] = None, token_file: Optional[str] = None,
                 tls_ca: Optional[str] = None, tls_cert: Optional[str] = None, tls_key: Optional[str] = None,
                 timeout: float = 10.0) -> None:
        self._settings = Settings.of(address, token, token_file, tls_ca, tls_cert, tls_key)
        self._timeout = timeout
        credentials = self._settings.credentials()
        options = self._settings.options()
        self._addresses = self._settings.addresses
        self._channels = [grpc.aio.insecure_channel(address, options) if credentials is None else
                          grpc.aio.secure_channel(address, credentials, options) for address in self._addresses.all]

    async def submit(self, run: RunLike, *, inputs_of: Optional[str] = None) -> Run:
        """Submits a run: a mapping of a run file's keys, the path of a YAML file, or a RunSpec.

        Nothing is uploaded: model and texts are those of the run that `inputs_of` names, which lwq submit uploaded.
        Raises InputNotUploadedError where the run names inputs of its own.
        """
        spec = await self._spec(run, inputs_of)
        request = SubmitRunRequest(spec=spec, request_id=new_request_id())
        return (await self._call(_calls.SUBMIT_RUN, request)).run

    async def plan(self, run: RunLike, *, inputs_of: Optional[str] = None) -> Plan:
        """What submit would do, without doing it."""
        spec = await self._spec(run, inputs_of)
        return (await self._call(_calls.PLAN_RUN, PlanRunRequest(spec=spec))).plan

    async def sweep(self, name: str, runs: Iterable[Mapping[str, Any]], *, inputs_of: Optional[str] = None,
              halving: Optional[Mapping[str, Any]] = None) -> Sweep:
        """Submits all runs or none. What tells a run from the others, its labels, are the keys in which they differ."""
        spec = await self._sweep_spec(name, runs, inputs_of, halving)
        request = SubmitSweepRequest(spec=spec, request_id=new_request_id())
        return (await self._call(_calls.SUBMIT_SWEEP, request)).sweep

    async def plan_sweep(self, name: str, runs: Iterable[Mapping[str, Any]], *, inputs_of: Optional[str] = None,
                   halving: Optional[Mapping[str, Any]] = None) -> SweepPlan:
        spec = await self._sweep_spec(name, runs, inputs_of, halving)
        return (await self._call(_calls.PLAN_SWEEP, PlanSweepRequest(spec=spec))).plan

    async def get(self, run_id: str) -> Run:
        return (await self._call(_calls.GET_RUN, GetRunRequest(run_id=run_id))).run

    async def get_sweep(self, sweep_id: str) -> Sweep:
        return (await self._call(_calls.GET_SWEEP, GetSweepRequest(sweep_id=sweep_id))).sweep

    async def list(self, *, name: str = "", project: str = "", sweep_id: str = "", states: Iterable[int] = (),
             limit: int = 50) -> builtins.list[Run]:
        """Runs, the newest first, without their tasks. In `name` "*" is any text and "?" one character."""
        runs: builtins.list[Run] = []
        request = ListRunsRequest(name=name, project=project, sweep_id=sweep_id)
        for state in states:
            request.states.append(state)  # type: ignore[arg-type]
        while len(runs) < limit:
            request.page_size = min(limit - len(runs), _calls.RUNS_A_PAGE)
            page = await self._call(_calls.LIST_RUNS, request)
            runs.extend(page.runs)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return runs

    async def list_sweeps(self, *, name: str = "", limit: int = 50) -> builtins.list[Sweep]:
        """The newest first, without their runs."""
        sweeps: builtins.list[Sweep] = []
        request = ListSweepsRequest(name=name)
        while len(sweeps) < limit:
            request.page_size = min(limit - len(sweeps), _calls.RUNS_A_PAGE)
            page = await self._call(_calls.LIST_SWEEPS, request)
            sweeps.extend(page.sweeps)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return sweeps

    async def cancel(self, run_id: str) -> Run:
        return (await self._call(_calls.CANCEL_RUN, CancelRunRequest(run_id=run_id))).run

    async def pause(self, run_id: str) -> Run:
        return (await self._call(_calls.PAUSE_RUN, PauseRunRequest(run_id=run_id))).run

    async def resume(self, run_id: str) -> Run:
        return (await self._call(_calls.RESUME_RUN, ResumeRunRequest(run_id=run_id))).run

    async def delete(self, run_id: str, *, force: bool = False) -> DeleteRunResponse:
        return await self._call(_calls.DELETE_RUN, DeleteRunRequest(run_id=run_id, force=force))

    async def cancel_sweep(self, sweep_id: str) -> Sweep:
        return (await self._call(_calls.CANCEL_SWEEP, CancelSweepRequest(sweep_id=sweep_id))).sweep

    async def pause_sweep(self, sweep_id: str) -> Sweep:
        return (await self._call(_calls.PAUSE_SWEEP, PauseSweepRequest(sweep_id=sweep_id))).sweep

    async def resume_sweep(self, sweep_id: str) -> Sweep:
        return (await self._call(_calls.RESUME_SWEEP, ResumeSweepRequest(sweep_id=sweep_id))).sweep

    async def delete_sweep(self, sweep_id: str, *, force: bool = False) -> DeleteSweepResponse:
        return await self._call(_calls.DELETE_SWEEP, DeleteSweepRequest(sweep_id=sweep_id, force=force))

    async def workers(self) -> builtins.list[WorkerInfo]:
        return list((await self._call(_calls.LIST_WORKERS, ListWorkersRequest())).workers)

    async def logs(self, run_id: str, *, task: str = "") -> builtins.list[LogLine]:
        """All lines there are, the oldest first; of one task where `task` says which."""
        lines: builtins.list[LogLine] = []
        more = True
        while more:
            after = lines[-1].sequence if lines else 0
            page = await self._call(_calls.GET_RUN_LOGS, GetRunLogsRequest(run_id=run_id, task=task, after=after))
            lines.extend(page.lines)
            more = page.more and len(page.lines) > 0
        return lines

    async def watch(self, run_id: str) -> AsyncIterator[RunEvent]:
        """The run at once, then again whenever it changed, until it has ended. A stream that breaks, also because the
        coordinator was started anew, is gone on with where it broke."""
        changes = RunChanges(run_id)
        async for message in self._stream(_calls.WATCH_RUN, changes.request):
            event = changes.take(message)
            yield event
            if event.ended:
                return

    async def watch_sweep(self, sweep_id: str) -> AsyncIterator[SweepEvent]:
        """All runs at once, in parts, then those that changed, until all have ended."""
        changes = SweepChanges(sweep_id)
        async for message in self._stream(_calls.WATCH_SWEEP, changes.request):
            event = changes.take(message)
            yield event
            if event.ended:
                return

    async def wait(self, run_id: str) -> Run:
        """The run once it has ended, whatever became of it."""
        run = Run()
        async for event in self.watch(run_id):
            run = event.run
        return run

    async def results(self, run_ids: Iterable[str] = (), *, sweep_id: str = "") -> builtins.list[dict[str, Cell]]:
        """A row for each run, then for each run of the sweep, under the names of lwq report --csv."""
        wanted: builtins.list[tuple[str, dict[str, str]]] = [(run_id, {}) for run_id in run_ids]
        if sweep_id:
            for member in (await self.get_sweep(sweep_id)).members:
                wanted.append((member.run_id, dict(member.labels)))
        rows = []
        for run_id, labels in wanted:
            run = await self.get(run_id)
            rows.append(row_of(run, labels or dict(run.labels)))
        return rows

    async def frame(self, run_ids: Iterable[str] = (), *, sweep_id: str = "") -> "pandas.DataFrame":
        """The same as a DataFrame of pandas."""
        return frame_of(await self.results(run_ids, sweep_id=sweep_id))

    async def server_version(self) -> str:
        return (await self._call(_calls.GET_SERVER_INFO, GetServerInfoRequest())).version

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close(None)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _inputs(self, inputs_of: Optional[str]) -> Optional[Run]:
        return await self.get(inputs_of) if inputs_of else None

    async def _spec(self, run: RunLike, inputs_of: Optional[str]) -> RunSpec:
        return run_spec(run, await self._inputs(inputs_of))

    async def _sweep_spec(self, name: str, runs: Iterable[Mapping[str, Any]], inputs_of: Optional[str],
                    halving: Optional[Mapping[str, Any]]) -> SweepSpec:
        return sweep_spec(name, runs, await self._inputs(inputs_of), halving)

    async def _call(self, method: Method[Any, T], request: Message) -> T:
        patience = Patience(str(self._addresses), self._timeout, time.monotonic())
        while True:
            try:
                called = self._addresses.current
                call = self._channels[called].unary_unary(method.path, method.serialize, method.parse)
                answer: T = await call(request, timeout=patience.call_timeout(time.monotonic()),
                                 metadata=self._settings.metadata)
                return answer
            except grpc.RpcError as error:
                seconds = patience.pause(error, time.monotonic())
                self._addresses.move_on(called, error)
            await asyncio.sleep(seconds)

    async def _stream(self, method: Method[Any, T], request: Callable[[], Message]) -> AsyncIterator[T]:
        """Messages of a stream that is opened again, with what `request` then returns, when it breaks."""
        patience = Patience(str(self._addresses), self._timeout, time.monotonic())
        while True:
            called = self._addresses.current
            call = self._channels[called].unary_stream(method.path, method.serialize, method.parse)(
                request(), metadata=self._settings.metadata)
            try:
                async for message in call:
                    patience.renew(time.monotonic())
                    yield message
                seconds = 0.05  # ended without the last event: the coordinator is stopping
            except grpc.RpcError as error:
                seconds = patience.pause(error, time.monotonic(), stream=True)
                self._addresses.move_on(called, error)
            finally:
                call.cancel()
            await asyncio.sleep(seconds)
