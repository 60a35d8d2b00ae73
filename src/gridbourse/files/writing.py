"""Writing tables that somebody takes away: CSV (RFC 4180) that a spreadsheet shows as it is and never runs.

Every table begins with a byte order mark: without it, spreadsheets take UTF-8 for the machine's own encoding, and
Chinese names are lost. A text that a spreadsheet would take for a formula is written behind an apostrophe (OWASP, CSV
injection); so are full-width signs, which some turn into plain ones, and signs behind blanks or invisible characters.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

BYTE_ORDER_MARK = "\ufeff"

_FORMULA_SIGNS = frozenset("=+-@")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table, its columns' names first."""
    file = io.StringIO()
    file.write(BYTE_ORDER_MARK)
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def write_private_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table that only its owner may read beside its place, and move it there when it is whole and on disk."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(csv_text(columns, rows))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for more than a text."""
    if text[:1] in {"\t", "\r", "\n"}:
        return True
    seen = (
        character for character in unicodedata.normalize("NFKC", text) if unicodedata.category(character)[0] not in "CZ"
    )
    return next(seen, "") in _FORMULA_SIGNS and not _is_number(text)


def _is_number(text: str) -> bool:
    """Whether a text is a plain negative number, which is no formula."""
    return text[:1] == "-" and text[1:].replace(".", "", 1).isdecimal() and text.isascii()
