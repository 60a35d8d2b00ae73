"""What the service answers when it cannot do what was asked: problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gridbourse.errors import (
    ChainError,
    Conflict,
    ContractReverted,
    EnvelopeError,
    Forbidden,
    GridbourseError,
    InvalidValue,
    KeyReused,
    KeysNotKept,
    MarketError,
    NotFound,
    NotSignedIn,
    ReadingsNotKept,
    ReadingsRefused,
    RegionStopped,
    SignInRefused,
    TransactionRejected,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_KINDS: tuple[tuple[type[GridbourseError], HTTPStatus, str], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED, "not-signed-in"),
    (SignInRefused, HTTPStatus.UNAUTHORIZED, "sign-in-refused"),
    (Forbidden, HTTPStatus.FORBIDDEN, "forbidden"),
    (KeysNotKept, HTTPStatus.FORBIDDEN, "keys-not-kept"),
    (NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (Conflict, HTTPStatus.CONFLICT, "conflict"),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused"),
    (InvalidValue, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value"),
    (EnvelopeError, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value"),
    (ReadingsRefused, HTTPStatus.UNPROCESSABLE_ENTITY, "readings-refused"),
    (ReadingsNotKept, HTTPStatus.SERVICE_UNAVAILABLE, "readings-not-kept"),
    (TransactionRejected, HTTPStatus.CONFLICT, "transaction-rejected"),
    (MarketError, HTTPStatus.CONFLICT, "refused-by-the-market"),
    (ContractReverted, HTTPStatus.CONFLICT, "refused-by-the-contract"),
    (RegionStopped, HTTPStatus.SERVICE_UNAVAILABLE, "stopping"),
    (ChainError, HTTPStatus.SERVICE_UNAVAILABLE, "chain-unavailable"),
)


class Fault(BaseModel):
    """One field that is wrong."""

    field: Annotated[str, Field(description="Where it stands.", examples=["body.energy_wh"])]
    remedy: Annotated[str, Field(description="What to give instead.", examples=["a number from 1"])]


class Problem(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    type: Annotated[str, Field(description="Names the kind of problem.", examples=["urn:gridbourse:invalid-value"])]
    title: Annotated[str, Field(examples=["Unprocessable Content"])]
    status: Annotated[int, Field(examples=[422])]
    detail: Annotated[str, Field(examples=["period: 12 is not valid; give a period whose gate is open"])]
    faults: Annotated[list[Fault], Field(description="The fields that are wrong, where it is about fields.")] = []


def problem(
    status: HTTPStatus,
    kind: str,
    detail: str,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Write an answer."""
    content = Problem(
        type=f"urn:gridbourse:{kind}", title=status.phrase, status=status, detail=detail, faults=faults or []
    )
    given = dict(headers or {})
    if status is HTTPStatus.UNAUTHORIZED:
        given["WWW-Authenticate"] = 'Bearer realm="gridbourse"'
    return JSONResponse(content.model_dump(), status, given, media_type=MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Let an application answer every error with problem details."""
    app.add_exception_handler(GridbourseError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _unexpected)


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Describe the problems of an operation for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def status_of(error: GridbourseError) -> HTTPStatus:
    """The status that tells of an error."""
    return next((status for kind, status, _ in _KINDS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    for kind, status, name in _KINDS:
        if isinstance(error, kind):
            return problem(status, name, str(error), _faults(error))
    return await _unexpected(_, error)


def _faults(error: Exception) -> list[Fault]:
    if isinstance(error, InvalidValue):
        return [Fault(field=error.field, remedy=error.remedy)]
    if isinstance(error, ReadingsRefused):
        return [Fault(field=field, remedy=remedy) for field, remedy in error.faults]
    return []


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError), "registered for it"
    faults = [
        Fault(field=".".join(str(part) for part in fault["loc"]), remedy=str(fault["msg"])) for fault in error.errors()
    ]
    detail = "; ".join(f"{fault.field}: {fault.remedy}" for fault in faults)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value", detail, faults)


async def _of_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), "registered for it"
    status = HTTPStatus(error.status_code)
    return problem(status, status.phrase.lower().replace(" ", "-"), str(error.detail), headers=error.headers)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the service failed; its log says why")
