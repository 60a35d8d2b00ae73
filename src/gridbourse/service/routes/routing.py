"""What operations of the API have in common: their rights, their parameters, and the problems they may answer with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Query

from gridbourse.api.schema import EnergyTypeName, NodeId
from gridbourse.service.auth.current import bearer, cookie, having
from gridbourse.service.problems import responses
from gridbourse.service.rights import RIGHTS, Kind, Right

Cursor = Annotated[str | None, Query(max_length=40, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Entries of a page.")]
EnergyTypeFilter = Annotated[EnergyTypeName | None, Query(description="Only this energy type.")]
NodeFilter = Annotated[NodeId | None, Query(description="Only this function node; by default all that are yours.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=100,
        pattern=r"^[\x21-\x7e]+$",
        description="Sent again under the same key, the request is carried out once, also across restarts.",
        examples=["9b2f1c5e-2c0c-4c6f-9a57-0f8f6f5f2f51"],
    ),
]


def operation(right: Right, *problems: HTTPStatus) -> dict[str, Any]:
    """Arguments of a route: who may call it, and what it answers when it cannot do what is asked.

    Parameters
    ----------
    right
        What the caller needs.
    problems
        Statuses besides those that every operation has.
    """
    usual = [HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE]
    usual += [HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS]
    needs_sign_in = Kind.NOBODY not in RIGHTS[right]
    usual += [HTTPStatus.FORBIDDEN] if needs_sign_in else []
    return {
        "dependencies": [Depends(having(right)), *([Depends(bearer), Depends(cookie)] if needs_sign_in else [])],
        "responses": responses(*usual, *problems),
        "openapi_extra": {"x-right": str(right)},
    }
