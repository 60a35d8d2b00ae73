"""A request as a value: what to ask, and what the answer is. Who sends it, and how, is the transport's affair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast
from uuid import uuid4

from pydantic import TypeAdapter

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer_co]):
    """What to ask of the service.

    Parameters
    ----------
    method, path
        Of the API, below ``/api/v1``.
    answer
        Type of the answer; ``NoneType`` if there is none, ``bytes`` for a file.
    params, body, headers
        Query parameters (None is left out), JSON body, and headers.
    is_repeatable
        Whether it may be sent again when it is not known what became of it.
    """

    method: str
    path: str
    answer: type[Answer_co]
    params: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = False

    def read(self, content: bytes) -> Answer_co:
        """Read an answer; raises pydantic's `ValidationError` for one that is of no such type."""
        if self.answer is type(None):
            return None
        if self.answer is bytes:
            return cast("Answer_co", content)
        return cast("Answer_co", _adapter(cast("Any", self.answer)).validate_json(content))


def get(path: str, answer: type[Answer], **params: object) -> Request[Answer]:
    """Ask for something."""
    given = {name: value for name, value in params.items() if value is not None}
    return Request("GET", path, answer, params=given, is_repeatable=True)


def post(
    path: str,
    answer: type[Answer],
    body: Mapping[str, object] | None = None,
    *,
    once: bool = False,
    key: str | None = None,
) -> Request[Answer]:
    """Do something; with `once` under a key, so that it may be sent again without being done again."""
    headers = {"Idempotency-Key": key or uuid4().hex} if once else {}
    return Request("POST", path, answer, {}, body or {}, headers, once)


def put(path: str, answer: type[Answer], body: Mapping[str, object]) -> Request[Answer]:
    """Set something."""
    return Request("PUT", path, answer, body=body, is_repeatable=True)


def delete(path: str, answer: type[Answer]) -> Request[Answer]:
    """End something."""
    return Request("DELETE", path, answer)


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
