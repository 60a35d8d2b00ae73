"""What nodes act with, and the folder that keeps it.

Every node has keys of its own in a file of its own, so that a real region hands each file to the one who runs
the node. Files are readable by their owner only.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.crypto.pseudonym import PseudonymKey
from gridbourse.crypto.suite import HPKE, Suite, suite_named
from gridbourse.errors import InvalidValue

_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The private keys of one node.

    Parameters
    ----------
    signing
        Signs the node's transactions.
    encryption
        Opens what is sealed to the node.
    before
        The keys that these replaced, with which older records open; None for a node's first keys.
    """

    signing: SigningKey
    encryption: EncryptionKey
    before: NodeKeys | None = None

    @classmethod
    def generate(cls, suite: Suite = HPKE) -> Self:
        """Make both keys from the operating system's randomness; the suite is that of the encryption key."""
        return cls(SigningKey.generate(), EncryptionKey.generate(suite))

    @property
    def address(self) -> Address:
        """The node's address on every chain."""
        return self.signing.address

    @property
    def generations(self) -> tuple[NodeKeys, ...]:
        """These keys and all that they replaced, newest first."""
        return (self, *(self.before.generations if self.before else ()))

    @property
    def opening(self) -> tuple[EncryptionKey, ...]:
        """All keys with which the node's records open, newest first."""
        return tuple(keys.encryption for keys in self.generations)

    def renewed(self, *, signing: bool = True, encryption: bool = True) -> NodeKeys:
        """Make the keys that replace these; a key that is not named stays."""
        return NodeKeys(
            SigningKey.generate() if signing else self.signing,
            EncryptionKey.generate(self.encryption.suite) if encryption else self.encryption,
            before=self,
        )


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The private keys of a master.

    Parameters
    ----------
    node
        Its own; the encryption key is its encryption node's.
    sealer
        Seals the blocks of the chain it runs.
    pseudonyms
        Names its users on the main chain.
    """

    node: NodeKeys
    sealer: SigningKey
    pseudonyms: PseudonymKey

    @classmethod
    def generate(cls, suite: Suite = HPKE) -> Self:
        """Make all keys from the operating system's randomness; the suite is that of the encryption node's key."""
        return cls(NodeKeys.generate(suite), SigningKey.generate(), PseudonymKey.generate())


class KeyFolder:
    """Key files below one folder, one for each node.

    Parameters
    ----------
    folder
        Made when the first key is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_node(self, name: str, keys: NodeKeys) -> None:
        """Write a node's keys.

        Raises
        ------
        InvalidValue
            A file with keys of this name exists: keys are never overwritten.
        """
        self._save(name, stored_keys(keys))

    def renew(self, name: str, keys: NodeKeys) -> None:
        """Put a node's or master's next keys in front of those in its file; the file is never without either.

        Raises
        ------
        InvalidValue
            The file is missing, or `keys` do not replace the newest keys in it.
        """
        kept = self._load(name)
        if keys.before is None or kept["keys"] != stored_keys(keys.before)["keys"]:
            raise InvalidValue("keys", name, "the keys that replace the newest ones in the key file")
        draft = self._path(name).with_suffix(".draft")
        draft.unlink(missing_ok=True)
        self._write(draft, kept | stored_keys(keys))
        draft.replace(self._path(name))
        _sync(draft.parent)

    def save_master(self, name: str, keys: MasterKeys) -> None:
        """Write a master's keys. Raises like `save_node`."""
        secrets = {"sealer": keys.sealer.secret.hex(), "pseudonyms": keys.pseudonyms.secret.hex()}
        self._save(name, stored_keys(keys.node) | secrets)

    def holds(self, name: str) -> bool:
        """Whether the keys of a node lie here."""
        return self._path(name).exists()

    def load_node(self, name: str) -> NodeKeys:
        """Read a node's keys.

        Raises
        ------
        InvalidValue
            The file is missing or holds no keys.
        """
        return read_keys(self._load(name))

    def load_master(self, name: str) -> MasterKeys:
        """Read a master's keys. Raises like `load_node`."""
        stored = self._load(name, "sealer", "pseudonyms")
        sealer, pseudonyms = (bytes.fromhex(stored[field]) for field in ("sealer", "pseudonyms"))
        return MasterKeys(read_keys(stored), SigningKey(sealer), PseudonymKey(pseudonyms))

    def _path(self, name: str) -> Path:
        # A name may hold any character, a file name may not; and no two names may share a file.
        return self._folder / f"{quote(name, safe='')}.json"

    def _save(self, name: str, stored: dict[str, Any]) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._write(path, {"node": name} | stored)
        except FileExistsError as error:
            raise InvalidValue("key file", str(path), "another name: keys are never overwritten") from error

    def _write(self, path: Path, stored: dict[str, Any]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(with_sum(stored), indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _load(self, name: str, *secrets: str) -> dict[str, Any]:
        path = self._path(name)
        try:
            stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
            stated = stored.pop("sum")
            read_keys(stored)
            for secret in secrets:
                bytes.fromhex(stored[secret])
        except (OSError, ValueError, TypeError, LookupError, InvalidValue) as error:
            fields = ", ".join(("keys", *secrets))
            raise InvalidValue("key file", str(path), f"a file with the keys of {name}: {fields}") from error
        # A wrong digit in a key is a key as well: it would open, and lose every order that needs the right one.
        if stated != with_sum(stored)["sum"]:
            raise InvalidValue("key file", str(path), "the file as it was written: its sum is another; restore it")
        return stored


def with_sum(stored: dict[str, Any]) -> dict[str, Any]:
    """Add the SHA-256 sum of what a key file holds, over its fields in order, so that a changed digit is noticed."""
    return stored | {"sum": hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()}


def stored_keys(keys: NodeKeys) -> dict[str, Any]:
    """What a key file holds of a node's keys: all generations, newest first."""
    return {
        "keys": [
            {
                "signing": own.signing.secret.hex(),
                "suite": own.encryption.suite.name,
                "encryption": own.encryption.secret.hex(),
            }
            for own in keys.generations
        ]
    }


def read_keys(stored: dict[str, Any]) -> NodeKeys:
    """Read what `stored_keys` wrote; raises what its parts raise where it is no such thing."""
    keys: NodeKeys | None = None
    for own in reversed(stored["keys"]):
        encryption = EncryptionKey(bytes.fromhex(own["encryption"]), suite_named(own["suite"]))
        keys = NodeKeys(SigningKey(bytes.fromhex(own["signing"])), encryption, before=keys)
    if keys is None:
        raise LookupError("no keys")
    return keys


def _sync(folder: Path) -> None:
    """Make a renamed file durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
