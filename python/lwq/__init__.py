# SPDX-License-Identifier: Apache-2.0
"""Client of the LayerWise-QAT coordinator.

    with lwq.Client("node0:7070") as client:
        sweep = client.sweep("bits", lwq.grid({"method": "rtn"}, wbits=[2, 3, 4]), inputs_of="1d5b")
        for event in client.watch_sweep(sweep.id):
            ...
        print(client.frame(sweep_id=sweep.id))

lwq.aio.Client is the same for asyncio. docs/python.md in the repository is the manual.
"""
from lwq import aio
from lwq._specs import grid
from lwq.client import Client
from lwq.errors import (AbortedError, AlreadyExistsError, CancelledError, DeadlineExceededError, FailedPreconditionError,
                        InputNotUploadedError, InternalError, InvalidArgumentError, LwqError, NotFoundError,
                        PermissionDeniedError, ResourceExhaustedError, UnauthenticatedError, UnavailableError,
                        UnimplementedError)
from lwq.events import RunEvent, SweepEvent, has_ended
from lwq.tables import state_name

__all__ = [
    "AbortedError", "AlreadyExistsError", "CancelledError", "Client", "DeadlineExceededError", "FailedPreconditionError",
    "InputNotUploadedError", "InternalError", "InvalidArgumentError", "LwqError", "NotFoundError",
    "PermissionDeniedError", "ResourceExhaustedError", "RunEvent", "SweepEvent", "UnauthenticatedError",
    "UnavailableError", "UnimplementedError", "aio", "grid", "has_ended", "state_name"
]
