"""Query parameters and headers that several operations share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query

from gridbourse.api.schema import EnergyTypeName, NodeId

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
