"""A service's settings in a TOML file: what neither the command line nor the environment says is taken from there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from gridbourse.errors import InvalidValue

_TABLE = "service"


def take_from_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let the options of a command have their defaults from the ``[service]`` table of a file.

    Raises
    ------
    InvalidValue
        The file is no TOML, or a field is unknown or wrong; the error names it.
    """
    if path is None:
        return
    options = {option.name: option for option in context.command.params if isinstance(option, click.Option)}
    options = {name: option for name, option in options.items() if not option.is_eager}
    fields = _fields(path)
    for name, value in fields.items():
        if name not in options:
            known = ", ".join(sorted(map(str, options)))
            raise InvalidValue(f"{_TABLE}.{name}", value, f"one of the fields that there are: {known}")
        _require_fit(context, options[name], value)
    context.default_map = fields


def _fields(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue("service file", str(path), f"a readable TOML file ({error})") from error
    table = document.pop(_TABLE, {})
    if document or not isinstance(table, dict):
        raise InvalidValue("service file", next(iter(document), _TABLE), f"one table [{_TABLE}] and nothing beside it")
    return table


def _require_fit(context: click.Context, option: click.Option, value: Any) -> None:
    """Say which field of the file is wrong: click would name the option, and nobody gave that."""
    field = f"{_TABLE}.{option.name}"
    if option.multiple is not isinstance(value, list):
        raise InvalidValue(field, value, "a list" if option.multiple else "a single value, no list")
    if isinstance(value, bool) and not option.is_flag:
        raise InvalidValue(field, value, f"what {option.opts[0]} takes")
    try:
        option.type_cast_value(context, value)
    except click.BadParameter as error:
        raise InvalidValue(field, value, f"what {option.opts[0]} takes: {error.message}") from error
