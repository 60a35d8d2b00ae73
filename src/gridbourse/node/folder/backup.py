"""A region in one file: backup while it runs, and restore that believes nothing it has not checked.

The archive is a tar file with a list of its members, their lengths and SHA-256 digests in front. It holds private keys:
it is readable by its owner only, and belongs where keys belong.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

from gridbourse.chain.local import LocalChain
from gridbourse.errors import InvalidValue
from gridbourse.node.folder.setup import new_folder
from gridbourse.node.region import Region
from gridbourse.region.layout import NODE_FILE, READINGS_FILE, RULES_FOLDER, SERVICE_FILE
from gridbourse.rules.rule_set import FILES

FORMAT = 1
LIST = "gridbourse-backup.json"
MAX_LIST_BYTES = 4 * 2**20
DATABASES = (SERVICE_FILE, NODE_FILE)
_CHUNK_BYTES = 2**20
_MEMBER = re.compile(
    r"region\.toml|service\.sqlite|node\.sqlite|meter\.readings|[a-z0-9-]{1,40}\.chain|keys/(?:(?:masters|nodes|tokens)/)?[A-Za-z0-9_.~%-]{1,255}"
    r"|rules/[A-Za-z0-9_.-]{1,255}/(?:rule_set\.toml|(?:parameters|calendar|deviation)\.csv)"
)
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")


def back_up(region: Region, folder: Path, archive: Path) -> None:
    """Write a region into an archive, which appears when it is complete.

    Nothing is written to the region meanwhile: call it in the thread that runs it.

    Parameters
    ----------
    region, folder
        The open region, and where it lies.
    archive
        A new file.

    Raises
    ------
    InvalidValue
        The archive exists already, or its folder does not.
    """
    if archive.exists() or not archive.parent.is_dir():
        raise InvalidValue("archive", str(archive), "a new file in a folder that exists")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{archive.name}-") as scratch:
        copies = Path(scratch) / "region"
        copies.mkdir()
        for chain in {region.main.chain, *(master.slave.chain for master in region.masters.values())}:
            if isinstance(chain, LocalChain):
                chain.back_up(copies / chain.path.name)
        for name in DATABASES:
            if (folder / name).exists():
                _copy_database(folder / name, copies / name)
        if (folder / READINGS_FILE).exists():
            shutil.copyfile(folder / READINGS_FILE, copies / READINGS_FILE)  # it only grows, and its end is cut clean
        members = {path.name: path for path in copies.iterdir()} | {
            path.relative_to(folder).as_posix(): path
            for path in [folder / "region.toml", *sorted((folder / "keys").rglob("*")), *_rules_of(folder)]
            if path.is_file()
        }
        draft = Path(scratch) / "archive"
        _write(draft, members)
        draft.rename(archive)


def _rules_of(folder: Path) -> list[Path]:
    """The files of a region's own sets of market rules."""
    return [own / name for own in sorted((folder / RULES_FOLDER).glob("*")) for name in FILES]


def restore(archive: Path, folder: Path) -> None:
    """Make a region's folder from an archive, once all of it has been checked, and its chains proven.

    Raises
    ------
    InvalidValue
        The archive is none of ours, holds anything that does not belong into a region, or is not what was written; or
        the folder is not empty.
    ChainCorrupted
        A chain in it is not what was sealed.
    """
    try:
        with new_folder(folder) as draft, tarfile.open(archive, "r:") as tar:
            _extract(archive, tar, draft)
            with Region.open(draft) as region:
                for chain in region.parts.engines.files.values():
                    chain.verify()
            for name in DATABASES:
                if (draft / name).exists():
                    _check_database(draft / name)
    except (tarfile.TarError, EOFError) as error:
        raise InvalidValue("archive", str(archive), f"a file that `gridbourse region backup` made ({error})") from error


def _copy_database(path: Path, copy: Path) -> None:
    """Write a consistent copy of a database, while others use it."""
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as target:
        database.backup(target)


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise InvalidValue("archive", path.name, f"an archive whose databases are sound ({found})")


def _write(draft: Path, members: dict[str, Path]) -> None:
    listed = {name: {"bytes": path.stat().st_size, "sha256": _digest(path)} for name, path in sorted(members.items())}
    head = json.dumps({"format": FORMAT, "members": listed}, indent=1).encode()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            information = tarfile.TarInfo(LIST)
            information.size = len(head)
            tar.addfile(information, io.BytesIO(head))
            for name, path in sorted(members.items()):
                information = tarfile.TarInfo(name)
                information.size, information.mode = path.stat().st_size, 0o600
                with path.open("rb") as content:
                    tar.addfile(information, content)
        file.flush()
        os.fsync(file.fileno())


def _extract(archive: Path, tar: tarfile.TarFile, draft: Path) -> None:
    """Write the members that are listed, each as a plain file of its own below the draft, and nothing else."""
    entries = iter(tar)
    listed = _list(archive, tar, next(entries, None))
    seen: set[str] = set()
    for entry in entries:
        expected = listed.get(entry.name)
        is_plain = entry.isreg() and not entry.issparse() and entry.size == (expected or {}).get("bytes")
        if expected is None or not is_plain or entry.name in seen or not _belongs(entry.name):
            raise InvalidValue("archive", entry.name, "an archive with just the plain files of a region")
        seen.add(entry.name)
        content = tar.extractfile(entry)
        assert content is not None, "a plain file has content"
        path = draft / entry.name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _copy(content, path) != expected["sha256"]:
            raise InvalidValue("archive", entry.name, "an archive whose files are what was backed up")
    if missing := set(listed) - seen:
        raise InvalidValue("archive", sorted(missing), "an archive that holds all that it lists")


def _list(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo | None) -> dict[str, dict[str, object]]:
    remedy = "a file that this or an older version's `gridbourse region backup` made"
    if entry is None or entry.name != LIST or not entry.isreg() or entry.size > MAX_LIST_BYTES:
        raise InvalidValue("archive", str(archive), remedy)
    content = tar.extractfile(entry)
    try:
        stated = json.loads(content.read() if content else b"")
        listed: dict[str, dict[str, object]] = stated["members"]
        is_ours = stated["format"] <= FORMAT and all(set(fields) == {"bytes", "sha256"} for fields in listed.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue("archive", str(archive), remedy) from error
    if not is_ours:
        raise InvalidValue("archive", str(archive), remedy)
    return listed


def _belongs(name: str) -> bool:
    return _MEMBER.fullmatch(name) is not None and _DOTS.search(name) is None


def _copy(content: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in _chunks(content):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
