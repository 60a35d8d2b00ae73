"""What the service answers when it cannot do what was asked: problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gridbourse.errors import (
    ChainError,
    Conflict,
    ContractReverted,
    EnvelopeError,
    ExtraMissing,
    Forbidden,
    GridbourseError,
    IndexUnavailable,
    InvalidValue,
    KeyReused,
    KeysNotKept,
    MarketError,
    NodeUnreachable,
    NotFound,
    NotSignedIn,
    ReadingsNotKept,
    ReadingsRefused,
    SignInRefused,
    TooManyAttempts,
    TransactionRejected,
)
from gridbourse.service.language import language_of
from gridbourse.text import DEFAULT_LANGUAGE, Language, Message, Translation, read_translation, say

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "2"
"""A node that ended is there again after about as long."""
_FOR_PROGRAMS = ("/api/", "/openadr3/", "/health", "/ready", "/metrics")

_KINDS: tuple[tuple[type[GridbourseError], HTTPStatus, str], ...] = (
    (NotSignedIn, HTTPStatus.UNAUTHORIZED, "not-signed-in"),
    (SignInRefused, HTTPStatus.UNAUTHORIZED, "sign-in-refused"),
    (TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS, "too-many-attempts"),
    (Forbidden, HTTPStatus.FORBIDDEN, "forbidden"),
    (KeysNotKept, HTTPStatus.FORBIDDEN, "keys-not-kept"),
    (NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (Conflict, HTTPStatus.CONFLICT, "conflict"),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused"),
    (InvalidValue, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value"),
    (EnvelopeError, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value"),
    (ReadingsRefused, HTTPStatus.UNPROCESSABLE_ENTITY, "readings-refused"),
    (ReadingsNotKept, HTTPStatus.SERVICE_UNAVAILABLE, "readings-not-kept"),
    (ExtraMissing, HTTPStatus.NOT_IMPLEMENTED, "extra-missing"),
    (IndexUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "index-unavailable"),
    (TransactionRejected, HTTPStatus.CONFLICT, "transaction-rejected"),
    (MarketError, HTTPStatus.CONFLICT, "refused-by-the-market"),
    (ContractReverted, HTTPStatus.CONFLICT, "refused-by-the-contract"),
    (NodeUnreachable, HTTPStatus.SERVICE_UNAVAILABLE, "node-unreachable"),
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
    language: Language,
    status: HTTPStatus,
    kind: str,
    detail: str,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Write an answer in the reader's language."""
    content = Problem(
        type=f"urn:gridbourse:{kind}",
        title=status.phrase if language == DEFAULT_LANGUAGE else heading(status, read_translation(language)),
        status=status,
        detail=say(detail, language),
        faults=faults or [],
    )
    given = {"Content-Language": language, "Vary": "Accept-Language, Cookie"} | dict(headers or {})
    if status is HTTPStatus.UNAUTHORIZED:
        given["WWW-Authenticate"] = 'Bearer realm="gridbourse"'
    return JSONResponse(content.model_dump(), status, given, media_type=MEDIA_TYPE)


class ProblemPages(Protocol):
    """Tells people of problems, where they asked for a page."""

    def fail(self, request: Request, error: GridbourseError | RequestValidationError) -> Response:
        """Answer with a page that says what cannot be done, and why."""
        ...

    def tell(self, request: Request, status: HTTPStatus, detail: str, headers: Mapping[str, str]) -> Response:
        """Answer with a page that says what went wrong."""
        ...


def answer(
    request: Request,
    status: HTTPStatus,
    kind: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Tell whoever asked: programs by problem details, people by a page."""
    if (pages := _pages(request)) is not None:
        return pages.tell(request, status, detail, headers or {})
    return problem(language_of(request.headers), status, kind, detail, headers=headers)


def handle_problems(app: FastAPI) -> None:
    """Let an application answer every error: with problem details, or with a page where one was asked for."""
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


def heading(status: HTTPStatus, t: Translation) -> str:
    """What kind of problem a status tells of, in a language."""
    return t.maybe(f"status.{int(status)}") or t("status.other")


def explanation(error: GridbourseError, language: Language) -> str:
    """What an error says, in a language."""
    if language == DEFAULT_LANGUAGE:
        return str(error)
    if isinstance(error, InvalidValue):
        text = "{field}: {value} is not valid; give {remedy}"
        remedy = say(error.remedy, language)
        return say(Message(text, field=error.field, value=repr(error.value), remedy=remedy), language)
    if isinstance(error, MarketError | ContractReverted):
        return say(Message("refused by the contract: {rule}", rule=str(error)), language)
    if isinstance(error, ChainError):
        return say(Message("the chain cannot do this now: {reason}", reason=str(error)), language)
    return say(Message.of(error), language)


def faults_of(error: RequestValidationError, t: Translation) -> list[Fault]:
    """The fields of a request that are not as its operation asks, in a language."""
    return [
        Fault(
            field=".".join(str(part) for part in fault["loc"]),
            remedy=_remedy(fault["type"], fault.get("ctx", {}), t) or str(fault["msg"]),
        )
        for fault in error.errors()
    ]


def _remedy(kind: str, context: Mapping[str, object], t: Translation) -> str | None:
    """What pydantic finds wrong, in words of our own; None where there are none."""
    text = t.maybe(f"invalid.{kind}")
    return text.format_map(context) if text else None


def _pages(request: Request) -> ProblemPages | None:
    """Who tells people of problems; None where a program asks."""
    return None if request.url.path.startswith(_FOR_PROGRAMS) else getattr(request.app.state, "frames", None)


def _retry_after(error: GridbourseError) -> dict[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.wait_seconds)}
    return {"Retry-After": RETRY_AFTER_SECONDS} if isinstance(error, NodeUnreachable) else {}


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, GridbourseError), "registered for it"
    status, name = next(((status, name) for kind, status, name in _KINDS if isinstance(error, kind)), (None, ""))
    if status is None:
        return await _unexpected(request, error)
    if (pages := _pages(request)) is not None:
        return pages.fail(request, error)
    language = language_of(request.headers)
    headers = _retry_after(error)
    return problem(language, status, name, explanation(error, language), _faults(error, language), headers)


def _faults(error: Exception, language: Language) -> list[Fault]:
    if isinstance(error, InvalidValue):
        return [Fault(field=error.field, remedy=say(error.remedy, language))]
    if isinstance(error, ReadingsRefused):
        return [Fault(field=field, remedy=say(remedy, language)) for field, remedy in error.faults]
    return []


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "registered for it"
    if (pages := _pages(request)) is not None:
        return pages.fail(request, error)
    language = language_of(request.headers)
    faults = faults_of(error, read_translation(language))
    detail = "; ".join(f"{fault.field}: {fault.remedy}" for fault in faults)
    return problem(language, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value", detail, faults)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    language, status = language_of(request.headers), HTTPStatus(error.status_code)
    told = str(error.detail) if language == DEFAULT_LANGUAGE else heading(status, read_translation(language))
    return answer(request, status, status.phrase.lower().replace(" ", "-"), told, headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    detail = Message("the service failed; its log says why")
    status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
    try:
        return answer(request, status, kind, detail)
    except Exception:  # what failed may be what pages are made with
        logger.exception("the page that tells of it failed, too")
        return problem(language_of(request.headers), status, kind, detail)
