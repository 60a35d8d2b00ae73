"""The commands in words, for the command line and docs/commands.md: taken from what they are, so that it is true."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from gridbourse.node.commands.codec import codec
from gridbourse.node.commands.requests import COMMANDS


@dataclass(frozen=True, slots=True)
class Description:
    """A command in words.

    Parameters
    ----------
    name
        What it is called.
    text
        What it does.
    fields
        What each field takes, by its name.
    answer
        What it is answered with.
    """

    name: str
    text: str
    fields: Mapping[str, str]
    answer: str


def described() -> list[Description]:
    """All commands in words."""
    return [
        Description(name, _first_paragraph(kind), _fields(kind), codec(kind.ANSWER).text)
        for name, kind in COMMANDS.items()
    ]


def document() -> Iterator[str]:
    """The lines of the table in docs/commands.md."""
    for own in described():
        yield f"### `{own.name}`"
        yield ""
        yield own.text
        yield ""
        if own.fields:
            yield "| field | takes |"
            yield "|---|---|"
            yield from (f"| `{field}` | {text} |" for field, text in own.fields.items())
            yield ""
        yield f"Answer: {own.answer}."
        yield ""


def _first_paragraph(kind: Any) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def _fields(kind: Any) -> dict[str, str]:
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, str] = {}
    for field in fields(kind):
        is_needed = field.default is MISSING and field.default_factory is MISSING
        found[field.name] = f"{codec(hints[field.name]).text}{'' if is_needed else ' (may be left out)'}"
        for option in _options(hints[field.name]):
            for name, text in _fields(option).items():
                found[f"{field.name} ({option.__name__}).{name}"] = text
    return found


def _options(hint: Any) -> list[Any]:
    """The dataclasses that a field takes, of which each has fields of its own."""
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [option for inner in get_args(hint) for option in _options(inner)]
