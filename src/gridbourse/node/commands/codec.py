"""JSON for frozen dataclasses, strict in both directions: a command or an answer is what its type says, or refused.

Bytes are written in hexadecimal (``0x...``), enumerations by their names in lower case, flags as numbers. Where one of
several dataclasses may stand, its name stands in ``type``. A sentence of `gridbourse.text` goes with what it is made
of, so that whoever shows it may say it in another language.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum, Flag
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Union, get_args, get_origin, get_type_hints

from gridbourse.errors import InvalidValue
from gridbourse.text import Message

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, or of the length of a string, bytes or a list; to be put into `Annotated`."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.least} to {self.most}" if self.least < self.most else f"exactly {self.least}"


class Codec(NamedTuple):
    """How a type is written and read; `text` says in words what it takes."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any, str], Any]
    text: str


def encode(kind: Any, value: object) -> Any:
    """Write a value of a type as what JSON can hold."""
    return codec(kind).encode(value)


def decode(kind: Any, stated: object, field: str = "") -> Any:
    """Read a value of a type.

    Raises
    ------
    InvalidValue
        A field is missing, unknown, or not of its type; its path is named.
    """
    return codec(kind).decode(stated, field)


@cache
def codec(kind: Any) -> Codec:
    """The codec of a type."""
    if kind is None:
        kind = type(None)
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(*get_args(kind))
    if isinstance(kind, NewType):
        return codec(kind.__supertype__)
    if origin in {Union, types.UnionType}:
        return _union(get_args(kind))
    if origin is Literal:
        return _literal(get_args(kind))
    if origin in {list, tuple, frozenset, Sequence}:
        return _series(tuple if origin is Sequence else origin, get_args(kind))
    if origin in {dict, Mapping}:
        return _mapping(*get_args(kind))
    if is_dataclass(kind):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _flag(kind) if issubclass(kind, Flag) else _enum(kind)
    if kind is object or kind is Any:
        return Codec(_same, lambda stated, _: stated, "any JSON value")
    return _PLAIN[kind]


# Plain values


def _same(value: Any) -> Any:
    return value


def _refuse(field: str, stated: object, text: str) -> InvalidValue:
    shown = stated if isinstance(stated, int | float | bool | None) else str(stated)[:_SHOWN_CHARACTERS]
    return InvalidValue(field or "fields", shown, text)


def _exactly(kind: type, text: str, stated: object, field: str) -> Any:
    if type(stated) is not kind:
        raise _refuse(field, stated, text)
    return stated


def _decode_float(stated: object, field: str) -> float:
    if type(stated) not in {int, float}:
        raise _refuse(field, stated, "a number")
    return float(stated)  # type: ignore[arg-type]


def _encode_text(value: str) -> Any:
    if isinstance(value, Message):
        parts = {name: _encode_part(part) for name, part in value.parts.items()}
        return {"text": str(value), "template": value.template, "parts": parts}
    return value


def _encode_part(part: object) -> Any:
    return _encode_text(part) if isinstance(part, str) else part if isinstance(part, int | float) else str(part)


def _decode_text(stated: object, field: str) -> str:
    if type(stated) is dict and stated.keys() == {"text", "template", "parts"}:
        return _decode_message(stated, field)
    if type(stated) is not str or not _is_sound(stated):
        raise _refuse(field, stated, "text")
    return stated


def _is_sound(text: str) -> bool:
    """Whether a string of JSON is one of Unicode: JSON can hold halves of characters, which nothing else can."""
    return text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text)


def _decode_message(stated: dict[str, Any], field: str) -> Message:
    """Put a sentence together without formatting anything: whoever sent it chose the template."""
    text, template, parts = stated["text"], stated["template"], stated["parts"]
    if type(text) is not str or type(template) is not str or type(parts) is not dict or not _is_sound(text):
        raise _refuse(field, stated, "a sentence and its parts")
    message = str.__new__(Message, text)
    message.template = template
    message.parts = {
        name: part if isinstance(part, int | float) else _decode_text(part, f"{field}.{name}")
        for name, part in parts.items()
    }
    return message


def _decode_bytes(stated: object, field: str) -> bytes:
    if type(stated) is str and stated.startswith("0x"):
        try:
            return bytes.fromhex(stated[2:])
        except ValueError:
            pass
    raise _refuse(field, stated, "bytes in hexadecimal, as in 0x01ff")


def _decode_path(stated: object, field: str) -> Path:
    text = _decode_text(stated, field)
    if not text or "\0" in text:
        raise _refuse(field, stated, "a path")
    return Path(text)


_PLAIN: dict[Any, Codec] = {
    type(None): Codec(_same, partial(_exactly, type(None), "nothing"), "null"),
    bool: Codec(bool, partial(_exactly, bool, "true or false"), "true or false"),
    int: Codec(int, partial(_exactly, int, "an integer"), "integer"),
    float: Codec(float, _decode_float, "number"),
    str: Codec(_encode_text, _decode_text, "text"),
    bytes: Codec(lambda value: f"0x{value.hex()}", _decode_bytes, "bytes, 0x..."),
    Path: Codec(str, _decode_path, "path"),
}


def _literal(options: tuple[Any, ...]) -> Codec:
    text = " or ".join(map(str, options))

    def decode_one(stated: object, field: str) -> Any:
        if not any(stated == option and type(stated) is type(option) for option in options):
            raise _refuse(field, stated, text)
        return stated

    return Codec(_same, decode_one, text)


def _enum(kind: type[Enum]) -> Codec:
    members = {str(member.name).lower(): member for member in kind}
    text = " or ".join(members)

    def decode_member(stated: object, field: str) -> Any:
        member = members.get(stated) if type(stated) is str else None
        if member is None:
            raise _refuse(field, stated, text)
        return member

    return Codec(lambda member: kind(member).name.lower(), decode_member, text)


def _flag(kind: type[Flag]) -> Codec:
    most = sum(int(member.value) for member in kind)
    text = f"a number from 0 to {most}"

    def decode_flag(stated: object, field: str) -> Any:
        if type(stated) is not int or not 0 <= stated <= most or stated & ~most:
            raise _refuse(field, stated, text)
        return kind(stated)

    return Codec(lambda value: int(value.value), decode_flag, text)


# What holds other values


def _annotated(kind: Any, *notes: object) -> Codec:
    inner = codec(kind)
    bounds = next((note for note in notes if isinstance(note, Between)), None)
    if bounds is None:
        return inner
    text = f"{inner.text}, {bounds}"

    def decode_bounded(stated: object, field: str) -> Any:
        value = inner.decode(stated, field)
        if not bounds.least <= (value if isinstance(value, int) else len(value)) <= bounds.most:
            raise _refuse(field, stated, text)
        return value

    return Codec(inner.encode, decode_bounded, text)


def _series(kind: Any, items: tuple[Any, ...]) -> Codec:
    item = codec(items[0])
    count = None if len(items) == 1 or items[1] is Ellipsis else len(items)
    text = f"list of {item.text}"

    def encode_series(values: Any) -> list[Any]:
        found = list(map(item.encode, values))
        return sorted(found) if kind is frozenset else found

    def decode_series(stated: object, field: str) -> Any:
        if type(stated) is not list or (count is not None and len(stated) != count):
            raise _refuse(field, stated, text)
        return kind([item.decode(entry, f"{field}.{place}") for place, entry in enumerate(stated)])

    return Codec(encode_series, decode_series, text)


def _mapping(key: Any, value: Any) -> Codec:
    inner = codec(value)

    def decode_key(stated: str, field: str) -> Any:
        if key is int:
            if not stated.isascii() or not stated.isdigit() or len(stated) > 19:
                raise _refuse(field, stated, "a number")
            return int(stated)
        return codec(key).decode(stated, field)

    def decode_mapping(stated: object, field: str) -> Any:
        if type(stated) is not dict:
            raise _refuse(field, stated, "an object")
        return {decode_key(name, field): inner.decode(entry, f"{field}.{name}") for name, entry in stated.items()}

    def encode_mapping(values: Mapping[Any, Any]) -> dict[str, Any]:
        return {str(name): inner.encode(entry) for name, entry in values.items()}

    return Codec(encode_mapping, decode_mapping, f"object of {inner.text}")


def _union(options: tuple[Any, ...]) -> Codec:
    """Something or nothing, or one of several dataclasses, or of several plain types."""
    present = [option for option in options if option is not type(None)]
    if len(present) == 1:
        inner = codec(present[0])
    else:
        inner = _tagged(present) if all(map(is_dataclass, present)) else _either(present)
    if len(present) == len(options):
        return inner

    def encode_optional(value: Any) -> Any:
        return None if value is None else inner.encode(value)

    def decode_optional(stated: object, field: str) -> Any:
        return None if stated is None else inner.decode(stated, field)

    return Codec(encode_optional, decode_optional, f"{inner.text}, or null")


def _either(kinds: Sequence[Any]) -> Codec:
    codecs = {kind: codec(kind) for kind in kinds}
    text = " or ".join(inner.text for inner in codecs.values())

    def decode_either(stated: object, field: str) -> Any:
        kind = str if type(stated) is dict else type(stated)  # a sentence with its parts
        if kind not in codecs:
            raise _refuse(field, stated, text)
        return codecs[kind].decode(stated, field)

    return Codec(
        lambda value: codecs[str if isinstance(value, str) else type(value)].encode(value), decode_either, text
    )


def _tagged(kinds: Sequence[Any]) -> Codec:
    by_name = {kind.__name__: kind for kind in kinds}
    text = " or ".join(by_name)

    def encode_tagged(value: Any) -> dict[str, Any]:
        return {"type": type(value).__name__, **encode(type(value), value)}

    def decode_tagged(stated: object, field: str) -> Any:
        name = stated.get("type") if type(stated) is dict else None
        kind = by_name.get(name) if isinstance(name, str) else None
        if kind is None or not isinstance(stated, dict):
            raise _refuse(f"{field}.type".lstrip("."), name, text)
        return codec(kind).decode({key: entry for key, entry in stated.items() if key != "type"}, field)

    return Codec(encode_tagged, decode_tagged, text)


def _dataclass(kind: Any) -> Codec:
    hints = get_type_hints(kind, include_extras=True)
    parts = {field.name: codec(hints[field.name]) for field in fields(kind)}
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    text = f"an object with {', '.join(parts) or 'no fields'}"

    def decode_fields(stated: object, place: str) -> Any:
        if type(stated) is not dict:
            raise _refuse(place, stated, text)
        before = f"{place}." if place else ""
        for name in stated:
            if name not in parts:
                raise _refuse(f"{before}{name[:_SHOWN_CHARACTERS]}", "it", text)
        for name in needed:
            if name not in stated:
                raise _refuse(f"{before}{name}", None, parts[name].text)
        return kind(**{name: parts[name].decode(entry, f"{before}{name}") for name, entry in stated.items()})

    def encode_fields(value: Any) -> dict[str, Any]:
        return {name: part.encode(getattr(value, name)) for name, part in parts.items()}

    return Codec(encode_fields, decode_fields, text)


# Lines


def read_line(line: bytes) -> Any:
    """Read a line of JSON. Raises `InvalidValue` for anything else, however nested, or with numbers however long."""
    try:
        return json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidValue("line", line[:_SHOWN_CHARACTERS].decode(errors="replace"), "one line of JSON") from error


def write_line(content: Any) -> bytes:
    """Write a line of JSON."""
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
