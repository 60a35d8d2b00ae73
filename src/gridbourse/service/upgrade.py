"""Files of an older region, brought to the form of today."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from gridbourse.crypto.node_keys import with_sum
from gridbourse.crypto.suite import HPKE
from gridbourse.errors import InvalidValue
from gridbourse.node.region import Region
from gridbourse.region.layout import SERVICE_FILE
from gridbourse.service.accounts import ServiceStore


def upgrade(folder: Path) -> list[str]:
    """Bring the files of an older region to the form of today, and prove that the region opens; back it up before.

    Returns
    -------
    list of str
        What was changed.

    Raises
    ------
    InvalidValue
        The folder holds no region, or one that this version cannot read.
    """
    if not (folder / "region.toml").exists():
        raise InvalidValue("folder", str(folder), "the folder of a region")
    changed = [
        f"{path.relative_to(folder)}: names the suite of its keys"
        for path in sorted((folder / "keys").rglob("*.json"))
        if _name_suites(path)
    ]
    if (folder / SERVICE_FILE).exists():
        before = _schema_version(folder / SERVICE_FILE)
        ServiceStore(folder / SERVICE_FILE).close()
        if (after := _schema_version(folder / SERVICE_FILE)) != before:
            changed.append(f"{SERVICE_FILE}: schema {after} instead of {before}")
    Region.open(folder).close()
    return changed


def _name_suites(path: Path) -> bool:
    """Key files once named no suite, because there was one only."""
    stored = json.loads(path.read_text("utf-8"))
    unnamed = [own for own in stored.get("keys", []) if "suite" not in own]
    for own in unnamed:
        own["suite"] = HPKE.name
    if unnamed:
        stored.pop("sum", None)
        draft = path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(with_sum(stored), indent=1) + "\n", "utf-8")
        draft.replace(path)
    return bool(unnamed)


def _schema_version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
