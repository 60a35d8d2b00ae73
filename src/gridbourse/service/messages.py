"""What the web server and the region's process tell each other: pickled messages, each behind its length.

The two trust each other as parts of one program do: they speak over pipes that nobody else has.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from gridbourse.index.news import News
from gridbourse.node.commands import Round
from gridbourse.node.node_records import NodeRecord

LENGTH_BYTES = 4


class Lane(Enum):
    """Where something is done in the region's process."""

    OWNER = auto()
    """In the thread that owns the region: what writes, and what must see nothing half written."""
    READER = auto()
    """Beside it: what reads chains, which any thread may."""
    REGULATOR = auto()
    """In a thread that only acts for the regulator: an audit may take long."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Tell what the chains hold, then run the region. Answered when all of it has been told."""

    number: int


@dataclass(frozen=True, slots=True)
class Write:
    """Write a node's record to its slave chain and take it up."""

    number: int
    record: NodeRecord


@dataclass(frozen=True, slots=True)
class Do:
    """Do some work: call a function of a module, or a method, with the region and these arguments."""

    number: int
    lane: Lane
    work: Callable[..., object]
    args: tuple[object, ...]
    named: dict[str, object]


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what has been taken, anchor, close the region, and end."""


Request = Begin | Write | Do | Stop


@dataclass(frozen=True, slots=True)
class Opened:
    """The region is open."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is new on the chains; told before whoever caused it gets an answer."""

    news: list[News]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not fulfilled; number 0 is that of opening the region."""

    number: int
    error: Exception


Report = Opened | Told | Answer | Refusal | Round


def packed(message: Request | Report) -> bytes:
    """Write a message as it goes through a pipe."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def unpacked(content: bytes) -> Any:
    """Read a message, without its length."""
    return pickle.loads(content)  # noqa: S301 - written by the other half of this program
