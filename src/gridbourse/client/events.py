"""Server-sent events as they come in, line by line (HTML standard, section 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """Something that happened.

    Parameters
    ----------
    event
        ``book``, ``trades``, ``order``, ``deal``, ``blocks``, ``anchors``; or ``reset``: load anew.
    data
        What happened.
    event_id
        To be given as `after` when watching again.
    """

    event: str
    data: Any
    event_id: str


class EventReader:
    """Puts lines together to events."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def take(self, line: str) -> ServerEvent | None:
        """Take the next line; returns the event that it completes, if it does."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data" and "data" in self._fields:
                value = f"{self._fields['data']}\n{value}"
            self._fields[name] = value
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        return ServerEvent(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))
