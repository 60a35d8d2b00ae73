"""What every operation of the API has in common: its right, and the problems it may answer with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Depends

from gridbourse.service.auth.current import bearer, cookie, having
from gridbourse.service.problems import responses
from gridbourse.service.rights import RIGHTS, Kind, Right


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
