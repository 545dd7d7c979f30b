# SPDX-License-Identifier: Apache-2.0
"""The coordinator's statuses as exceptions, a class for each code; the text is what the coordinator said."""
from __future__ import annotations

import grpc


class LwqError(Exception):
    """`code` is the status; str() is one line: what, where, what to do."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN

    @property
    def message(self) -> str:
        return str(self)


class CancelledError(LwqError):
    code = grpc.StatusCode.CANCELLED


class InvalidArgumentError(LwqError):
    """What was asked for is wrong; asking again does not help."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class InputNotUploadedError(InvalidArgumentError):
    """A run names a model, text or file on this machine: uploads are the program lwq's."""


class DeadlineExceededError(LwqError):
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotFoundError(LwqError):
    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(LwqError):
    code = grpc.StatusCode.ALREADY_EXISTS


class PermissionDeniedError(LwqError):
    """The token's role or projects do not allow the call."""

    code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhaustedError(LwqError):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(LwqError):
    code = grpc.StatusCode.FAILED_PRECONDITION


class AbortedError(LwqError):
    code = grpc.StatusCode.ABORTED


class InternalError(LwqError):
    code = grpc.StatusCode.INTERNAL


class UnimplementedError(LwqError):
    code = grpc.StatusCode.UNIMPLEMENTED


class UnavailableError(LwqError):
    """No coordinator answers."""

    code = grpc.StatusCode.UNAVAILABLE


class UnauthenticatedError(LwqError):
    code = grpc.StatusCode.UNAUTHENTICATED


_BY_CODE: dict[grpc.StatusCode, type[LwqError]] = {
    error.code: error
    for error in (CancelledError, InvalidArgumentError, DeadlineExceededError, NotFoundError, AlreadyExistsError,
                  PermissionDeniedError, ResourceExhaustedError, FailedPreconditionError, AbortedError, InternalError,
                  UnimplementedError, UnavailableError, UnauthenticatedError)
}


def error_of(code: grpc.StatusCode, details: str) -> LwqError:
    error = _BY_CODE.get(code, LwqError)(" ".join(details.split()))
    error.code = code
    return error
